"""Bytes of an open file, asked for by many requests under way together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from paramiko import sftp as protocol

from storage_backends.errors import StorageError
from storage_backends.names import display_path
from storage_backends.sftp.connection import Connection
from storage_backends.sftp.inbox import Request

LEAST_BYTES = 4 << 10
"""Of a request, however little the server sends at a time."""


class Range(NamedTuple):
    """Bytes of a file that were asked for."""

    offset: int
    length: int
    request: Request

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + self.length


def ask_all(
    connection: Connection, handle: bytes, offset: int, length: int, room: memoryview | None = None
) -> Sequence[Range]:
    """Requests under way together, for `take_all`; with a `room`, which is to be its buffer, bytes go there as they
    come."""
    starts = range(offset, offset + length, connection.read_bytes)
    found = []
    for at in starts:
        count = min(starts.step, offset + length - at)
        own = None if room is None else room[at - offset : at - offset + count]
        found.append(ask_range(connection, handle, at, count, own))
    return found


def ask_range(
    connection: Connection, handle: bytes, offset: int, length: int, room: memoryview | None = None
) -> Range:
    """One request, of at most `connection.read_bytes`."""
    request = connection.ask(protocol.CMD_READ, handle, protocol.int64(offset), length, room=room)
    return Range(offset, length, request)


def take_all(connection: Connection, handle: bytes, asked: Sequence[Range], buffer: memoryview, path: bytes) -> int:
    """Fill `buffer` with what was asked for; less only at the end of the file."""
    connection.settle([each.request for each in asked])
    done = 0
    for each in asked:
        done += take_whole(connection, handle, each, buffer[done:], path)
        if done < each.end - asked[0].offset:
            break
    return done


def take_whole(connection: Connection, handle: bytes, asked: Range, buffer: memoryview, path: bytes) -> int:
    """Put one range into `buffer`; returns how much came, less only at the end of the file. A server may send less than
    it was asked for, such as 32 KiB: the rest is asked for, and from then on no more than it sends."""
    done = count = _take(connection, asked, buffer, path)
    while count and done < asked.length:
        rest = ask_range(connection, handle, asked.offset + done, asked.length - done)
        count = _take(connection, rest, buffer[done:], path)
        if count:
            connection.read_bytes = min(connection.read_bytes, max(LEAST_BYTES, done))
        done += count
    return done


def _take(connection: Connection, asked: Range, buffer: memoryview, path: bytes) -> int:
    """What came of it; 0 at the end of the file."""
    data = connection.data(asked.request, path)
    if len(data) > asked.length:
        raise StorageError(f"the server sent more of '{display_path(path)}' than it was asked for")
    buffer[: len(data)] = data
    return asked.request.filled or len(data)
