"""SFTP version 3 over a channel: requests with many under way at once, and answers in whatever order they come.

::

    callers      ask ─ ask ─ … ─ take       requests gather until a packet is full or an answer is waited for
    transport          feed: cut            its thread wakes a caller once, when the answer it waits for is whole
                                            (`inbox.py`)

The window of the channel is never what holds a server back: it sends nothing but what it was asked for.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any

from paramiko import Channel
from paramiko import sftp as protocol
from paramiko.message import Message
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.sftp.inbox import GREETING, HEAD, Inbox, Request

ANSWER_SECONDS = 60.0
"""Without a single byte from the server while an answer is waited for, or that it takes while something is sent."""
WINDOW_BYTES, TOLD_BYTES = 256 << 20, 1 << 20
"""More than is ever asked for at once. The channel is told of what came in steps of so much, and tells the server of a
tenth of the window at a time."""
GATHERED_BYTES = 32 << 10
"""Of requests that are not sent yet: a packet of SSH takes no more."""
_INT, _INT64 = Struct(">I"), Struct(">Q")
_VERSION = 3
_ERRNOS = {protocol.SFTP_NO_SUCH_FILE: errno.ENOENT, protocol.SFTP_PERMISSION_DENIED: errno.EACCES}


class Session:
    """One SFTP session over a channel that nothing came over yet. Used by several threads. Everything raises OSError,
    EOFError and SSHException where the connection is lost."""

    def __init__(self, channel: Channel, send: Callable[[Sequence[bytes | memoryview]], None]) -> None:
        """`send` sends all that it is given over the channel."""
        self._channel, self._inbox, self._send = channel, Inbox(), send
        channel.in_buffer = self._inbox
        channel.settimeout(ANSWER_SECONDS)
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    def begin(self) -> None:
        """The greeting."""
        greeting = Request(self)
        self._inbox.expect(GREETING, greeting)
        self._send([HEAD.pack(5, protocol.CMD_INIT, _VERSION)])
        self._wait(greeting)

    def ask(self, kind: int, *arguments: Any, room: memoryview | None = None) -> Request:
        """Sent with the next `take` at the latest."""
        request = Request(self, room)
        with self._sending:
            self._gather(self._packet(request, kind, arguments))
        return request

    def tell(self, kind: int, each: Iterable[bytes]) -> None:
        """Ask for the same of each now; nobody waits for the answers."""
        with self._sending:
            for name in each:
                self._gather(self._packet(None, kind, (name,)))
            self._flush()

    def ask_writes(self, handle: bytes, offset: int, data: memoryview, most: int) -> Sequence[Request]:
        """Write `data` by requests of at most `most` bytes; it is not looked at after this returned."""
        requests, packets = [], []
        with self._sending:
            for at in range(0, len(data), most):
                requests.append(Request(self))
                arguments = (handle, protocol.int64(offset + at), data[at : at + most])
                packets += self._fields(requests[-1], protocol.CMD_WRITE, arguments)
            if len(data) < GATHERED_BYTES:
                self._gather(b"".join(packets))
            else:
                self._flush()
                self._send(packets)
        return requests

    def flush(self) -> None:
        """Send what gathered."""
        if self._gathered:
            with self._sending:
                self._flush()

    def settle(self, requests: Sequence[Request]) -> None:
        """Wait until all are answered. The last comes last, so one wait does mostly."""
        self.flush()
        for request in reversed(requests):
            self._wait(request)

    def close(self) -> None:
        """The server forgets all its handles; the connection stays. Raises OSError or EOFError."""
        self._channel.close()

    def take(self, request: Request) -> memoryview:
        """The answer without its number, whatever it is; waits."""
        self.flush()
        self._wait(request)
        return request.body

    # ── sending ───────────────────────────────────────────────────────────────────────────────────────────────

    def _packet(self, request: Request | None, kind: int, arguments: Iterable[Any]) -> bytes:
        return b"".join(self._fields(request, kind, arguments))

    def _fields(self, request: Request | None, kind: int, arguments: Iterable[Any]) -> list[bytes | memoryview]:
        number = next(self._numbers) & 0xFFFFFFFF
        if request is not None:
            self._inbox.expect(number, request)
        fields = [field for argument in arguments for field in _encoded(argument)]
        return [HEAD.pack(5 + sum(map(len, fields)), kind, number), *fields]

    def _gather(self, packet: bytes) -> None:
        self._gathered.append(packet)
        self._gathered_bytes += len(packet)
        if self._gathered_bytes >= GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        packets, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._send([b"".join(packets)])

    # ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────

    def _wait(self, request: Request) -> None:
        received = self._inbox.received
        while not request.came.acquire(timeout=ANSWER_SECONDS):
            if received == self._inbox.received:
                raise TimeoutError("the server does not answer")
            received = self._inbox.received
        request.came.release()
        if self._inbox.untold >= TOLD_BYTES:
            self._channel.recv(WINDOW_BYTES)
        if not request.kind:
            raise ConnectionError("the connection was closed")


def _encoded(argument: Any) -> tuple[bytes | memoryview, ...]:
    if isinstance(argument, protocol.int64):
        return (_INT64.pack(argument),)
    if isinstance(argument, int):
        return (_INT.pack(argument),)
    if isinstance(argument, SFTPAttributes):
        message = Message()
        argument._pack(message)  # type: ignore[attr-defined]
        return (message.asbytes(),)
    return (_INT.pack(len(argument)), argument)


def raise_for_status(body: memoryview) -> None:
    """EOFError: there is nothing more to be read. OSError: what the server says."""
    message = Message(body)
    code, text = message.get_int(), message.get_string().decode(errors="replace")
    if code == protocol.SFTP_EOF:
        raise EOFError(text)
    if code in _ERRNOS:
        raise OSError(_ERRNOS[code], text)
    if code != protocol.SFTP_OK:
        raise OSError(text)
