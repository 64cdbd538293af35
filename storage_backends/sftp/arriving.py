"""Packets on their way in: as much as there is comes with one `recv`, and they are cut out of it."""

from __future__ import annotations

from collections.abc import Callable

from paramiko import SSHException

from storage_backends.sftp.aead import LENGTH, TAG_BYTES

BUFFER_BYTES = 512 << 10
"""A packet is no larger than half of it: a server sends at most what it was told, 64 KiB, and a header."""


class Arriving:
    """What came and was not taken yet. Used by one thread."""

    def __init__(self, receive: Callable[[memoryview, bool], int]) -> None:
        """`receive(room, is_between)` waits for some bytes more and returns how many; `is_between`: the last packet
        that began has ended."""
        self._receive = receive
        self._came = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        """Where in `_came` it stands."""

    def packet(self) -> memoryview:
        """The next one, still sealed; waits for it. Good until the next is taken. Raises SSHException."""
        while (wanted := self._wanted()) > self._end - self._start:
            self._receive_more(wanted)
        start, self._start = self._start, self._start + wanted
        return self._came[start : self._start]

    def has_packet(self) -> bool:
        """Whether all of the next one is here."""
        return self._wanted() <= self._end - self._start

    def _wanted(self) -> int:
        """How many bytes the next packet has, as soon as it tells; until then how many it takes to tell."""
        if self._end - self._start < LENGTH.size:
            return LENGTH.size
        size: int = LENGTH.unpack_from(self._came, self._start)[0]
        wanted = LENGTH.size + size + TAG_BYTES
        if wanted > BUFFER_BYTES // 2:
            raise SSHException(f"a packet of {size:,} bytes came")
        return wanted

    def _receive_more(self, wanted: int) -> None:
        have = self._end - self._start
        if not have or self._start + wanted > BUFFER_BYTES // 2:
            self._came[:have] = self._came[self._start : self._end]
            self._start, self._end = 0, have
        self._end += self._receive(self._came[self._end :], not have)
