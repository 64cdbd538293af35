"""Packets on their way out: each is put together and sealed behind the one before it, and many go with one `send`."""

from __future__ import annotations

import os
from collections.abc import Callable
from struct import Struct

from paramiko.common import MSG_CHANNEL_DATA

from storage_backends.sftp.aead import TAG_BYTES, Cipher, padding
from storage_backends.sftp.channel_data import DATA_BYTES, Outgoing

BUFFER_BYTES = 512 << 10
_LARGEST_BYTES = DATA_BYTES + 64
"""More than a packet of data has with what stands around it."""
_HEAD = Struct(">BBII")
"""Of a packet with data for a channel: how much padding it ends with, its kind, the channel, how much data."""


class Departing:
    """Used by one thread at a time."""

    def __init__(self, write: Callable[[memoryview], None], count: Callable[[Cipher], None]) -> None:
        """`write` sends all it is given; `count` is told after each packet that was sealed."""
        self._write, self._count = write, count
        self._plain = memoryview(bytearray(_LARGEST_BYTES))
        self._sealed = memoryview(bytearray(BUFFER_BYTES))

    def send(self, sealer: Cipher, payload: bytes) -> None:
        """One packet."""
        padded = padding(len(payload))
        plain = b"".join((padded.to_bytes(1, "big"), payload, os.urandom(padded)))
        if len(plain) + 4 + TAG_BYTES > len(self._sealed):
            self._sealed = memoryview(bytearray(len(plain) + 4 + TAG_BYTES))
        end = sealer.seal(plain, self._sealed, 0)
        self._count(sealer)
        self._write(self._sealed[:end])

    def send_data(self, sealer: Cipher, data: Outgoing) -> None:
        """All of it that is allowed."""
        end = 0
        while data.allowed:
            if end + _LARGEST_BYTES > len(self._sealed):
                self._write(self._sealed[:end])
                end = 0
            length = data.fill(self._plain[10:])
            padded = padding(9 + length)
            _HEAD.pack_into(self._plain, 0, padded, MSG_CHANNEL_DATA, data.channel, length)
            self._plain[10 + length : 10 + length + padded] = os.urandom(padded)
            end = sealer.seal(self._plain[: 10 + length + padded], self._sealed, end)
            self._count(sealer)
        self._write(self._sealed[:end])
