"""AES-GCM packets of SSH (RFC 5647) with few copies: several go with one `send` and come with one `recv`.

paramiko's own packetizer reads a packet in two or more pieces that it puts together and cuts again. This one takes over
once an AEAD cipher is agreed on; the handshake before it and all other ciphers stay paramiko's. It overrides public
methods and never looks at what paramiko keeps, so it counts by itself; of what is private there it calls
`_trigger_rekey` alone.

What is sent over a channel may be many packets (`Outgoing`). Packets of data that came together are handed to paramiko
as one (`Incoming`).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_QUICKACK, socket
from struct import Struct
from typing import Any

from paramiko import SSHException
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

from storage_backends.sftp.aead import Cipher, agreed
from storage_backends.sftp.arriving import Arriving
from storage_backends.sftp.channel_data import Incoming, Outgoing
from storage_backends.sftp.departing import Departing

FIRST_PACKETS = 16
_WINDOW = Struct(">II")
"""Of a message that opens one: the channel, and by how much."""


class AeadPacketizer(Packetizer):
    """See the module."""

    def __init__(self, sock: socket) -> None:
        super().__init__(sock)
        self._sock = sock
        self._sealer: Cipher | None = None
        self._opener: Cipher | None = None
        self._sending = threading.Lock()
        self._departing = Departing(self.write_all, self._watch)
        self._arriving = Arriving(self._receive)
        self._kept = b""
        """What a packet held that ended a row of data; comes next."""
        self._window: dict[int, int] = {}
        """How much more the server takes, by channel, and paramiko has not been told."""
        self._number = 0

    # ── ciphers and keys ──────────────────────────────────────────────────────────────────────────────────────────

    def set_outbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        super().set_outbound_cipher(block_engine, *arguments, **named)
        self._sealer = agreed(self._sealer, block_engine, named, "iv_out")

    def set_inbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        super().set_inbound_cipher(block_engine, *arguments, **named)
        self._opener = agreed(self._opener, block_engine, named, "iv_in")

    def _watch(self, cipher: Cipher) -> None:
        """New keys are due after so much; a server that agrees to none is left."""
        if cipher.bytes < self.REKEY_BYTES and cipher.packets < self.REKEY_PACKETS:
            return
        if not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]
        elif cipher.bytes > self.REKEY_BYTES + self.REKEY_BYTES_OVERFLOW_MAX:
            raise SSHException("the server wants no new keys")

    # ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

    def send_message(self, data: Message) -> None:
        if self._sealer is None:
            for message in data.messages() if isinstance(data, Outgoing) else (data,):
                super().send_message(message)
            return
        with self._sending:
            if isinstance(data, Outgoing):
                self._departing.send_data(self._sealer, data)
            else:
                self._departing.send(self._sealer, data.asbytes())

    def read_message(self) -> tuple[int, Any]:
        """(kind, message). Raises NeedRekeyException, EOFError, SSHException. Used by one thread."""
        if self._opener is None:
            return super().read_message()
        if self._window:
            channel, count = self._window.popitem()
            return MSG_CHANNEL_WINDOW_ADJUST, Message(_WINDOW.pack(channel, count))
        plain, self._kept = self._kept or self._next(self._opener), b""
        if plain[1] not in (MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST):
            return plain[1], self._numbered(Message(plain[2 : len(plain) - plain[0]]))
        message = Incoming()
        while self._takes(message, plain):
            self._numbered(message)
            if not self._arriving.has_packet():
                break
            plain = self._next(self._opener)
        else:
            self._kept = plain
        return (MSG_CHANNEL_DATA, message) if message.pieces else self.read_message()

    def _takes(self, message: Incoming, plain: bytes) -> bool:
        """Whether it is one more of those that are handed over together: data for the same channel, or room there."""
        if plain[1] == MSG_CHANNEL_WINDOW_ADJUST:
            channel, count = _WINDOW.unpack_from(plain, 2)
            self._window[channel] = self._window.get(channel, 0) + count
            return True
        return plain[1] == MSG_CHANNEL_DATA and message.add(plain)

    def _next(self, opener: Cipher) -> bytes:
        """What the next packet holds."""
        plain = opener.open(self._arriving.packet())
        self._watch(opener)
        return plain

    def _numbered(self, message: Any) -> Any:
        message.seqno = self._number
        self._number = (self._number + 1) & 0xFFFFFFFF
        return message

    def reset_seqno_in(self) -> None:
        super().reset_seqno_in()
        self._number = 0

    # ── the socket ────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, room: memoryview, is_between: bool) -> int:
        """Some bytes; how many. New keys are agreed on between packets only."""
        while True:
            try:
                count = self._sock.recv_into(room)
            except TimeoutError:
                self._look_up(may_rekey=is_between)
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
