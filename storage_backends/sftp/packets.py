"""SFTP version 3 over a channel: requests with many under way at once, and answers in whatever order they come.

::

    callers      ask ─ ask ─ … ─ take       requests gather until a packet is full or an answer is waited for
    transport          feed: cut            its thread wakes a caller once, when the answer it waits for is whole

The window of the channel is never what holds a server back: it sends nothing but what it was asked for.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from struct import Struct
from typing import Any

from paramiko import Channel, SSHException
from paramiko import sftp as protocol
from paramiko.buffered_pipe import BufferedPipe
from paramiko.message import Message
from paramiko.sftp_attr import SFTPAttributes

ANSWER_SECONDS = 60.0
"""Without a single byte from the server while an answer is waited for, or that it takes while something is sent."""
WINDOW_BYTES, TOLD_BYTES = 256 << 20, 1 << 20
"""More than is ever asked for at once. The channel is told of what came in steps of so much, and tells the server of a
tenth of the window at a time."""
MOST_BYTES = 16 << 20
"""Of one answer: larger ones are nonsense, and would be gathered in memory."""
GATHERED_BYTES = 32 << 10
"""Of requests that are not sent yet: a packet of SSH takes no more."""
_HEAD, _INT, _INT64 = Struct(">IBI"), Struct(">I"), Struct(">Q")
_VERSION, _GREETING = 3, -1
_ERRNOS = {protocol.SFTP_NO_SUCH_FILE: errno.ENOENT, protocol.SFTP_PERMISSION_DENIED: errno.EACCES}


class Request:
    """What was asked of a session. `came` is held until the answer is here or never comes; then `kind` is 0."""

    __slots__ = ("body", "came", "kind", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.came = threading.Lock()
        self.came.acquire()
        self.kind, self.body = 0, memoryview(b"")


class Session:
    """One SFTP session over a channel that nothing came over yet. Used by several threads. Everything raises OSError,
    EOFError and SSHException where the connection is lost."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._inbox = channel, _Inbox()
        channel.in_buffer = self._inbox
        channel.settimeout(ANSWER_SECONDS)
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    def begin(self) -> None:
        """The greeting."""
        greeting = Request(self)
        self._inbox.expect(_GREETING, greeting)
        self._send([_HEAD.pack(5, protocol.CMD_INIT, _VERSION)])
        self._wait(greeting)

    def ask(self, kind: int, *arguments: Any) -> Request:
        """Sent with the next `take` at the latest."""
        request = Request(self)
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
        return [_HEAD.pack(5 + sum(map(len, fields)), kind, number), *fields]

    def _gather(self, packet: bytes) -> None:
        self._gathered.append(packet)
        self._gathered_bytes += len(packet)
        if self._gathered_bytes >= GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        packets, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._send(packets)

    def _send(self, packets: Iterable[bytes | memoryview]) -> None:
        if data := b"".join(packets):
            self._channel.sendall(memoryview(data))  # type: ignore[arg-type]  # it cuts pieces off; of bytes, by copying

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


class _Inbox(BufferedPipe):  # type: ignore[type-arg]
    """Takes the place of a channel's buffer of what was received. It keeps answers, not bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self._told = 0
        self._expected: dict[int, Request] = {}
        self._is_closed = False
        self._pieces: list[bytes | memoryview] = []
        self._have, self._need = 0, _HEAD.size
        self._telling = threading.Lock()

    def expect(self, number: int, request: Request) -> None:
        """An answer with this number will come, or the end."""
        self._expected[number] = request
        if self._is_closed:
            self._give_up()

    @property
    def untold(self) -> int:
        """Bytes that came and were not `read`."""
        return self.received - self._told

    def read(self, nbytes: int, timeout: float | None = None) -> Any:
        """Something as long as what came since the last time: by its length the channel opens its window again."""
        with self._telling:
            count = min(nbytes, self.untold)
            self._told += count
        return range(count)

    def feed(self, data: Any) -> None:
        """Some more bytes of any number of answers."""
        self.received += len(data)
        self._have += len(data)
        self._pieces.append(data)
        if self._have >= self._need:
            self._cut(memoryview(data if len(self._pieces) == 1 else b"".join(self._pieces)))

    def _cut(self, came: memoryview) -> None:
        start, self._need = 0, _HEAD.size
        while len(came) - start >= self._need:
            length, kind, number = _HEAD.unpack_from(came, start)
            if not 5 <= length <= MOST_BYTES:
                raise SSHException(f"the server sends an answer of {length:,} bytes")
            if len(came) - start < 4 + length:
                self._need = 4 + length
                break
            body = came[start + _HEAD.size : start + 4 + length]
            self._arrived(_GREETING if kind == protocol.CMD_VERSION else number, kind, body)
            start += 4 + length
        self._have = len(came) - start
        self._pieces = [came[start:]] if self._have else []

    def _arrived(self, number: int, kind: int, body: memoryview) -> None:
        request = self._expected.pop(number, None)
        if request is not None:
            request.kind, request.body = kind, body
            request.came.release()

    def close(self) -> None:
        """Nothing comes any more."""
        super().close()
        self._is_closed = True
        self._give_up()

    def _give_up(self) -> None:
        with suppress(KeyError):
            while True:
                self._expected.popitem()[1].came.release()


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
