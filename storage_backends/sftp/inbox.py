"""What comes over a channel of SFTP: answers, each handed to whoever waits for it.

Bytes that were read and have a room go there as they come; everything else is cut out of what came.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Any

from paramiko import SSHException
from paramiko import sftp as protocol
from paramiko.buffered_pipe import BufferedPipe

from storage_backends.sftp.channel_data import Pieces

if TYPE_CHECKING:
    from storage_backends.sftp.packets import Session

MOST_BYTES = 16 << 20
"""Of one answer: larger ones are nonsense, and would be gathered in memory."""
HEAD = Struct(">IBI")
"""Of an answer: its length, kind and number."""
GREETING = -1
_COUNT = Struct(">I")


class Request:
    """What was asked of a session. `came` is held until the answer is here or never comes; then `kind` is 0.

    With a `room`, bytes that were read are put there and not into `body`; `filled` tells how many."""

    __slots__ = ("body", "came", "filled", "kind", "room", "session")

    def __init__(self, session: Session, room: memoryview | None = None) -> None:
        self.session, self.room = session, room
        self.came = threading.Lock()
        self.came.acquire()
        self.kind, self.body, self.filled = 0, memoryview(b""), 0


class Inbox(BufferedPipe):  # type: ignore[type-arg]
    """Takes the place of a channel's buffer of what was received. It keeps answers, not bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self._told = 0
        self._expected: dict[int, Request] = {}
        self._is_closed = False
        self._pieces: list[memoryview] = []
        self._have, self._need = 0, HEAD.size
        self._room: memoryview | None = None
        """Of the answer that is on its way into it."""
        self._number = self._filled = 0
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
        """Some more bytes of any number of answers: `Pieces` from our packetizer, bytes from paramiko's."""
        pieces = data if isinstance(data, Pieces) else [memoryview(data)]
        self.received += sum(map(len, pieces))
        for piece in pieces:
            rest = piece if self._room is None else self._fill(self._room, piece)
            self._have += len(rest)
            self._pieces.append(rest)
            if self._have >= self._need:
                self._cut(rest if len(self._pieces) == 1 else memoryview(b"".join(self._pieces)))

    def close(self) -> None:
        """Nothing comes any more."""
        super().close()
        self._is_closed = True
        self._give_up()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, came: memoryview) -> None:
        start, self._need = 0, HEAD.size
        while len(came) - start >= self._need:
            length, kind, number = HEAD.unpack_from(came, start)
            if not 5 <= length <= MOST_BYTES:
                raise SSHException(f"the server sends an answer of {length:,} bytes")
            end = start + 4 + length
            if len(came) < end:
                self._need = 4 + length
                start += self._begin_to_fill(came[start:], length - 9, kind, number)
                break
            self._arrived(GREETING if kind == protocol.CMD_VERSION else number, kind, came[start + HEAD.size : end])
            start = end
        self._have = len(came) - start
        self._pieces = [came[start:]] if self._have else []

    def _begin_to_fill(self, came: memoryview, count: int, kind: int, number: int) -> int:
        """What came of an answer of so many bytes of data, if it has a room for these; returns how much that is."""
        request, data = self._expected.get(number), HEAD.size + _COUNT.size
        room = request.room if request and kind == protocol.CMD_DATA and len(came) >= data else None
        if room is None or len(room) < count or _COUNT.unpack_from(came, HEAD.size)[0] != count:
            return 0
        self._room, self._number, self._filled, self._need = room[:count], number, 0, HEAD.size
        self._fill(self._room, came[data:])
        return len(came)

    def _fill(self, room: memoryview, piece: memoryview) -> memoryview:
        """Returns what belongs to the next answer."""
        end = min(len(room), self._filled + len(piece))
        count = end - self._filled
        room[self._filled : end] = piece[:count]
        self._filled = end
        if end == len(room):
            self._room = None
            self._answer(self._expected.pop(self._number, None), protocol.CMD_DATA, memoryview(b""), end)
        return piece[count:]

    def _arrived(self, number: int, kind: int, body: memoryview) -> None:
        request, filled = self._expected.pop(number, None), 0
        data = body[_COUNT.size :]
        if request and request.room is not None and kind == protocol.CMD_DATA and len(data) <= len(request.room):
            request.room[: len(data)] = data
            body, filled = memoryview(b""), len(data)
        self._answer(request, kind, body, filled)

    def _answer(self, request: Request | None, kind: int, body: memoryview, filled: int) -> None:
        if request is not None:
            request.kind, request.body, request.filled = kind, body, filled
            request.came.release()

    def _give_up(self) -> None:
        with suppress(KeyError):
            while True:
                self._expected.popitem()[1].came.release()
