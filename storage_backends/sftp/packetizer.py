"""AES-GCM packets of SSH (RFC 5647) with few copies: several go with one `send` and come with one `recv`.

paramiko's own packetizer reads a packet in two or more pieces that it puts together and cuts again. This one takes over
once an AEAD cipher is agreed on; the handshake before it and all other ciphers stay paramiko's. It overrides public
methods and never looks at what paramiko keeps, so it counts by itself; of what is private there it calls
`_trigger_rekey` alone.

What is sent over a channel may be many packets (`Outgoing`): each is put together and sealed where it is sent from.
Packets of data that came together are handed to paramiko as one.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_QUICKACK, socket
from struct import Struct
from typing import Any

from cryptography.exceptions import InvalidTag
from paramiko import SSHException
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

BUFFER_BYTES = 512 << 10
"""A packet is no larger than half of it: a server sends at most what it was told, 64 KiB, and a header."""
FIRST_PACKETS = 16
_TAG_BYTES, _BLOCK_BYTES = 16, 16
DATA_BYTES = 64 << 10
"""Of one packet we send, at most."""
_LARGEST_BYTES = DATA_BYTES + 64
"""More than such a packet has with what stands around the data."""
_LENGTH, _DATA_HEAD = Struct(">I"), Struct(">II")
_DATA_START = Struct(">BII")
_OUT_HEAD = Struct(">BBII")
"""Of a packet with data for a channel: how much padding it ends with, its kind, the channel, how much data."""


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


class Outgoing(Message):
    """Data for a channel, in packets of at most `most` bytes of it. The next message is what is `allowed` of it."""

    def __init__(self, channel: int, fields: Iterable[bytes | memoryview], most: int) -> None:
        self.channel, self.allowed, self._most = channel, 0, most
        self._fields = deque(memoryview(field) for field in fields if field)
        self.left = sum(map(len, self._fields))

    def fill(self, plain: memoryview) -> int:
        """The data of the next packet, into `plain`; returns its length."""
        length = min(self._most, self.allowed)
        at = 0
        while at < length:
            field = self._fields[0]
            count = min(len(field), length - at)
            plain[at : at + count] = field[:count]
            at += count
            if count < len(field):
                self._fields[0] = field[count:]
            else:
                self._fields.popleft()
        self.allowed -= length
        self.left -= length
        return length


class _ChannelData:
    """Messages of data for a channel, as far as paramiko looks at one, whose bytes were not copied."""

    def __init__(self) -> None:
        self.channel, self.pieces = -1, list[memoryview]()
        self.seqno = 0

    def add(self, plain: bytes) -> bool:
        """False if it is for another channel."""
        channel, length = _DATA_HEAD.unpack_from(plain, 2)
        if self.channel not in (-1, channel):
            return False
        self.channel = channel
        self.pieces.append(memoryview(plain)[10 : 10 + length])
        return True

    def get_int(self) -> int:
        """The number of the channel, which is asked for first."""
        return self.channel

    def get_binary(self) -> list[memoryview]:
        """What came."""
        return self.pieces


class AeadPacketizer(Packetizer):
    """See the module."""

    def __init__(self, sock: socket) -> None:
        super().__init__(sock)
        self._sock = sock
        self._sealer: _Cipher | None = None
        self._opener: _Cipher | None = None
        self._sealing = threading.Lock()
        self._plain = memoryview(bytearray(_LARGEST_BYTES))
        self._sealed = memoryview(bytearray(BUFFER_BYTES))
        self._came = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        """Where in `_came` bytes stand that are not taken yet."""
        self._kept = b""
        """What a packet held that ended a row of data; comes next."""
        self._window: dict[int, int] = {}
        """How much more the server takes, by channel, and paramiko has not been told."""
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
            for message in _plainly(data):
                super().send_message(message)
            return
        with self._sealing:
            if isinstance(data, Outgoing):
                self._send_data(self._sealer, data)
            else:
                self._send(self._sealer, data.asbytes())

    def _send(self, sealer: _Cipher, payload: bytes) -> None:
        padding = _padding(len(payload))
        plain = b"".join((padding.to_bytes(1, "big"), payload, os.urandom(padding)))
        if len(plain) + 4 + _TAG_BYTES > len(self._sealed):
            self._sealed = memoryview(bytearray(len(plain) + 4 + _TAG_BYTES))
        self.write_all(self._sealed[: self._seal(sealer, plain, 0)])

    def _send_data(self, sealer: _Cipher, data: Outgoing) -> None:
        end = 0
        while data.allowed:
            if end + _LARGEST_BYTES > len(self._sealed):
                self.write_all(self._sealed[:end])
                end = 0
            length = data.fill(self._plain[10:])
            padding = _padding(9 + length)
            _OUT_HEAD.pack_into(self._plain, 0, padding, MSG_CHANNEL_DATA, data.channel, length)
            self._plain[10 + length : 10 + length + padding] = os.urandom(padding)
            end = self._seal(sealer, self._plain[: 10 + length + padding], end)
        self.write_all(self._sealed[:end])

    def _seal(self, sealer: _Cipher, plain: bytes | memoryview, start: int) -> int:
        """Into `_sealed` from `start` on; returns its end."""
        head, end = _LENGTH.pack(len(plain)), start + 4 + len(plain) + _TAG_BYTES
        self._sealed[start : start + 4] = head
        sealer.engine.encrypt_into(sealer.nonce(), plain, head, self._sealed[start + 4 : end])
        self._count(sealer, end - start)
        return end

    # ── receiving ─────────────────────────────────────────────────────────────────────────────────────────────

    def read_message(self) -> tuple[int, Any]:
        """(kind, message). Raises NeedRekeyException, EOFError, SSHException. Used by one thread."""
        if self._opener is None:
            return super().read_message()
        if self._window:
            channel, count = self._window.popitem()
            return MSG_CHANNEL_WINDOW_ADJUST, Message(_DATA_HEAD.pack(channel, count))
        plain, self._kept = self._kept or self._next(self._opener), b""
        if plain[1] not in (MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST):
            return plain[1], self._numbered(Message(plain[2 : len(plain) - plain[0]]))
        message = _ChannelData()
        while self._takes(message, plain):
            self._numbered(message)
            if not self._has_packet():
                break
            plain = self._next(self._opener)
        else:
            self._kept = plain
        return (MSG_CHANNEL_DATA, message) if message.pieces else self.read_message()

    def _takes(self, message: _ChannelData, plain: bytes) -> bool:
        """Whether it is one more of those that are handed over together: data for the same channel, or room there."""
        if plain[1] == MSG_CHANNEL_WINDOW_ADJUST:
            channel, count = _DATA_HEAD.unpack_from(plain, 2)
            self._window[channel] = self._window.get(channel, 0) + count
            return True
        return plain[1] == MSG_CHANNEL_DATA and message.add(plain)

    def _next(self, opener: _Cipher) -> bytes:
        """What the next packet holds."""
        self._fill(4)
        end = self._packet_end()
        self._fill(end)
        packet = self._came[self._start : self._start + end]
        self._start += end
        plain = _opened(opener, packet)
        self._count(opener, end)
        return plain

    def _packet_end(self) -> int:
        """Where the packet ends that begins at `_start`, counted from there."""
        size: int = _LENGTH.unpack_from(self._came, self._start)[0]
        end = 4 + size + _TAG_BYTES
        if end > BUFFER_BYTES // 2:
            raise SSHException(f"a packet of {size:,} bytes came")
        return end

    def _has_packet(self) -> bool:
        """Whether a whole one stands in the buffer."""
        have = self._end - self._start
        return have > 4 and have >= self._packet_end()

    def _numbered(self, message: Any) -> Any:
        message.seqno = self._number
        self._number = (self._number + 1) & 0xFFFFFFFF
        return message

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


def _padding(payload_bytes: int) -> int:
    """At least four bytes, up to a whole number of blocks."""
    return 3 + _BLOCK_BYTES - (payload_bytes + 4) % _BLOCK_BYTES


def _plainly(data: Message) -> Iterator[Message]:
    """As paramiko's own packetizer takes it."""
    if not isinstance(data, Outgoing):
        yield data
        return
    room = memoryview(bytearray(DATA_BYTES))
    while data.allowed:
        length = data.fill(room)
        yield Message(_DATA_START.pack(MSG_CHANNEL_DATA, data.channel, length) + room[:length])


def _opened(opener: _Cipher, packet: memoryview) -> bytes:
    try:
        plain: bytes = opener.engine.decrypt(opener.nonce(), packet[4:], packet[:4])
    except InvalidTag:
        raise SSHException("a packet was changed on its way") from None
    return plain
