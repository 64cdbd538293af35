"""AES-GCM packets of SSH (RFC 5647) with few copies: several packets come with one `recv`, each is one ciphertext.

paramiko's own packetizer reads a packet in two or more pieces that it puts together and cuts again. This one takes over
once an AEAD cipher is agreed on; the handshake before it and all other ciphers stay paramiko's. It overrides public
methods and never looks at what paramiko keeps, so it counts by itself; of what is private there it calls
`_trigger_rekey` alone.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_QUICKACK, socket
from struct import Struct
from typing import Any

from cryptography.exceptions import InvalidTag
from paramiko import SSHException
from paramiko.common import MSG_CHANNEL_DATA
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

BUFFER_BYTES = 512 << 10
"""A packet is no larger than half of it: a server sends at most what it was told, 64 KiB, and a header."""
FIRST_PACKETS = 16
_TAG_BYTES, _BLOCK_BYTES = 16, 16
_LENGTH, _DATA_HEAD = Struct(">I"), Struct(">II")


class _Cipher:
    """One direction: the engine, and the nonce that no two packets share."""

    def __init__(self, engine: Any, nonce: bytes) -> None:
        self.engine = engine
        self.bytes = self.packets = 0
        self._fixed, self._counter = nonce[:4], int.from_bytes(nonce[4:], "big")

    def nonce(self) -> bytes:
        """Of the next packet."""
        nonce = self._fixed + self._counter.to_bytes(8, "big")
        self._counter = (self._counter + 1) & 0xFFFFFFFFFFFFFFFF
        return nonce


class _ChannelData:
    """A message of data for a channel, as far as paramiko looks at it, whose bytes were not copied."""

    def __init__(self, plain: bytes) -> None:
        channel, length = _DATA_HEAD.unpack_from(plain, 2)
        self._channel: int = channel
        self._data = memoryview(plain)[10 : 10 + length]
        self.seqno = 0

    def get_int(self) -> int:
        """The number of the channel, which is asked for first."""
        return self._channel

    def get_binary(self) -> memoryview:
        """What came."""
        return self._data


class AeadPacketizer(Packetizer):
    """See the module."""

    def __init__(self, sock: socket) -> None:
        super().__init__(sock)
        self._sock = sock
        self._sealer: _Cipher | None = None
        self._opener: _Cipher | None = None
        self._sealing = threading.Lock()
        self._sealed = memoryview(bytearray(BUFFER_BYTES))
        self._came = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        """Where in `_came` bytes stand that are not taken yet."""
        self._number = 0

    # ── ciphers and keys ──────────────────────────────────────────────────────────────────────────────────────────

    def set_outbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        super().set_outbound_cipher(block_engine, *arguments, **named)
        self._sealer = _aead(self._sealer, block_engine, named, "iv_out")

    def set_inbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        super().set_inbound_cipher(block_engine, *arguments, **named)
        self._opener = _aead(self._opener, block_engine, named, "iv_in")

    def _count(self, cipher: _Cipher, count: int) -> None:
        """New keys are due after so much; a server that agrees to none is left."""
        cipher.bytes += count
        cipher.packets += 1
        if cipher.bytes < self.REKEY_BYTES and cipher.packets < self.REKEY_PACKETS:
            return
        if not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]
        elif cipher.bytes > self.REKEY_BYTES + self.REKEY_BYTES_OVERFLOW_MAX:
            raise SSHException("the server wants no new keys")

    # ── sending ───────────────────────────────────────────────────────────────────────────────────────────────

    def send_message(self, data: Message) -> None:
        if self._sealer is None:
            super().send_message(data)
            return
        payload = data.asbytes()
        padding = 3 + _BLOCK_BYTES - (len(payload) + 4) % _BLOCK_BYTES
        plain = b"".join((padding.to_bytes(1, "big"), payload, os.urandom(padding)))
        with self._sealing:
            self._send(self._sealer, plain)

    def _send(self, sealer: _Cipher, plain: bytes) -> None:
        head, end = _LENGTH.pack(len(plain)), 4 + len(plain) + _TAG_BYTES
        if end > len(self._sealed):
            self._sealed = memoryview(bytearray(end))
        self._sealed[:4] = head
        sealer.engine.encrypt_into(sealer.nonce(), plain, head, self._sealed[4:end])
        self.write_all(self._sealed[:end])
        self._count(sealer, end)

    # ── receiving ─────────────────────────────────────────────────────────────────────────────────────────────

    def read_message(self) -> tuple[int, Any]:
        """(kind, message). Raises NeedRekeyException, EOFError, SSHException. Used by one thread."""
        if self._opener is None:
            return super().read_message()
        self._fill(4)
        size = _LENGTH.unpack_from(self._came, self._start)[0]
        end = 4 + size + _TAG_BYTES
        if end > BUFFER_BYTES // 2:
            raise SSHException(f"a packet of {size:,} bytes came")
        self._fill(end)
        packet = self._came[self._start : self._start + end]
        self._start += end
        plain = _opened(self._opener, packet)
        self._count(self._opener, end)
        return self._message(plain)

    def _message(self, plain: bytes) -> tuple[int, Any]:
        kind: int = plain[1]
        message: Any = _ChannelData(plain) if kind == MSG_CHANNEL_DATA else Message(plain[2 : len(plain) - plain[0]])
        message.seqno = self._number
        self._number = (self._number + 1) & 0xFFFFFFFF
        return kind, message

    def reset_seqno_in(self) -> None:
        super().reset_seqno_in()
        self._number = 0

    def _fill(self, wanted: int) -> None:
        """Until so many bytes stand in the buffer."""
        while (have := self._end - self._start) < wanted:
            if not have or self._start + wanted > BUFFER_BYTES // 2:
                self._came[:have] = self._came[self._start : self._end]
                self._start, self._end = 0, have
            self._end += self._receive(self._came[self._end :], may_rekey=not have)

    def _receive(self, room: memoryview, *, may_rekey: bool) -> int:
        while True:
            try:
                count = self._sock.recv_into(room)
            except TimeoutError:
                self._look_up(may_rekey=may_rekey)
                continue
            except OSError:
                if self.closed:
                    raise EOFError from None
                raise
            if not count:
                raise EOFError
            self._acknowledge()
            return count

    def _acknowledge(self) -> None:
        """Of a connection's first packets at once: until a session begins, OpenSSH keeps a small packet back while
        another is on its way, and we would take 40 ms to say that it came."""
        if self._opener and self._opener.packets < FIRST_PACKETS:
            with suppress(OSError):  # what is no TCP
                self._sock.setsockopt(IPPROTO_TCP, TCP_QUICKACK, True)

    def _look_up(self, *, may_rekey: bool) -> None:
        """Nothing came for a tenth of a second."""
        if self.closed:
            raise EOFError
        if may_rekey and self.need_rekey():
            raise NeedRekeyException


def _aead(old: _Cipher | None, engine: Any, named: dict[str, Any], nonce: str) -> _Cipher | None:
    if named.get("aead"):
        return _Cipher(engine, named[nonce])
    if old is not None:
        raise SSHException("the server wants another kind of cipher than before")
    return None


def _opened(opener: _Cipher, packet: memoryview) -> bytes:
    try:
        plain: bytes = opener.engine.decrypt(opener.nonce(), packet[4:], packet[:4])
    except InvalidTag:
        raise SSHException("a packet was changed on its way") from None
    return plain
