"""One packet of SSH with AES-GCM (RFC 5647): its length in clear, which is authenticated, what is sealed, and a tag.

What is sealed: how much padding there is, the payload, the padding.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from cryptography.exceptions import InvalidTag
from paramiko import SSHException

LENGTH = Struct(">I")
TAG_BYTES = 16
_BLOCK_BYTES = 16


class Cipher:
    """One direction: the engine, the nonce that no two packets share, and how much went through since the keys are
    new."""

    def __init__(self, engine: Any, nonce: bytes) -> None:
        self._engine = engine
        self.bytes = self.packets = 0
        self._fixed, self._counter = nonce[:4], int.from_bytes(nonce[4:], "big")

    def seal(self, plain: bytes | memoryview, room: memoryview, start: int) -> int:
        """A packet, into `room` from `start` on; returns where it ends."""
        head, end = LENGTH.pack(len(plain)), start + 4 + len(plain) + TAG_BYTES
        room[start : start + 4] = head
        self._engine.encrypt_into(self._nonce(), plain, head, room[start + 4 : end])
        self.bytes += end - start
        self.packets += 1
        return end

    def open(self, packet: memoryview) -> bytes:
        """What was sealed. Raises SSHException."""
        try:
            plain: bytes = self._engine.decrypt(self._nonce(), packet[4:], packet[:4])
        except InvalidTag:
            raise SSHException("a packet was changed on its way") from None
        self.bytes += len(packet)
        self.packets += 1
        return plain

    def _nonce(self) -> bytes:
        """Of the next packet."""
        nonce = self._fixed + self._counter.to_bytes(8, "big")
        self._counter = (self._counter + 1) & 0xFFFFFFFFFFFFFFFF
        return nonce


def agreed(old: Cipher | None, engine: Any, named: dict[str, Any], nonce: str) -> Cipher | None:
    """What paramiko was told, by these names, to go on with; None for ciphers that are none of these. Raises
    SSHException."""
    if named.get("aead"):
        return Cipher(engine, named[nonce])
    if old is not None:
        raise SSHException("the server wants another kind of cipher than before")
    return None


def padding(payload_bytes: int) -> int:
    """At least four bytes, up to a whole number of blocks."""
    return 3 + _BLOCK_BYTES - (payload_bytes + 4) % _BLOCK_BYTES
