"""Messages of data for a channel that are many packets: what is to be sent, and what came.

`sending` makes the former, `inbox` takes the latter; the packetizer stands between them and the wire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from struct import Struct

from paramiko.common import MSG_CHANNEL_DATA
from paramiko.message import Message

DATA_BYTES = 64 << 10
"""Of one packet we send, at most."""
_HEAD = Struct(">BII")
_CHANNEL_AND_LENGTH = Struct(">II")


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

    def messages(self) -> Iterator[Message]:
        """One for each packet, as paramiko's own packetizer takes them."""
        room = memoryview(bytearray(DATA_BYTES))
        while self.allowed:
            length = self.fill(room)
            yield Message(_HEAD.pack(MSG_CHANNEL_DATA, self.channel, length) + room[:length])


class Pieces(list[memoryview]):
    """Data of one channel that came together, in order; none of it was copied."""


class Incoming:
    """As much of a message as paramiko looks at. What it takes for bytes and hands to the channel's buffer are
    `Pieces`, so that has to be an `Inbox`."""

    def __init__(self) -> None:
        self.channel, self.pieces = -1, Pieces()
        self.seqno = 0

    def add(self, plain: bytes) -> bool:
        """One more packet that was opened. False if it is for another channel."""
        channel, length = _CHANNEL_AND_LENGTH.unpack_from(plain, 2)
        if self.channel not in (-1, channel):
            return False
        self.channel = channel
        self.pieces.append(memoryview(plain)[10 : 10 + length])
        return True

    def get_int(self) -> int:
        """The number of the channel, which is asked for first."""
        return self.channel

    def get_binary(self) -> Pieces:
        """What came."""
        return self.pieces
