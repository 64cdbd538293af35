"""Files and links. What comes next is asked for before it is wanted; many small files are read in step."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from paramiko import sftp as protocol
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.base import FileInfo, Kind, OpenFile
from storage_backends.errors import NotFound, NotRegular, StorageError, VersionChanged
from storage_backends.names import display_path
from storage_backends.sftp.connection import FLAG_READ, Connection, attributes_of
from storage_backends.sftp.describing import describe, kind_of
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.inbox import Request

AHEAD_BYTES = 4 << 20
"""Of one open file, asked for and not yet taken."""
LEAST_BYTES = 4 << 10
"""Of a request, however little the server sends at a time."""
FILES_IN_STEP, BYTES_IN_STEP = 64, 16 << 20


def look(connection: Connection, folders: Folders, path: bytes) -> SFTPAttributes:
    """Attributes of a name below the root. Raises NotFound, also for what is below a file."""
    folder, full = folders.split(path)
    try:
        folders.enter(folder)
    except StorageError as error:
        raise NotFound(f"there is no '{display_path(path)}': {error}") from error
    return connection.lstat(full, path)


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
        done += _take_whole(connection, handle, each, buffer[done:], path)
        if done < each.end - asked[0].offset:
            break
    return done


def _take_whole(connection: Connection, handle: bytes, asked: Range, buffer: memoryview, path: bytes) -> int:
    """A server may send less than it was asked for, such as 32 KiB: the rest is asked for, and from then on no more
    than it sends."""
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


class SftpFile(OpenFile):
    """One open file. Reading in order is read ahead for."""

    def __init__(self, connection: Connection, folders: Folders, path: bytes) -> None:
        self._connection, self._folders, self._path = connection, folders, path
        self.info = describe(path, _regular(path, look(connection, folders, path)))
        self._handle = connection.handle(connection.ask_open(folders.full(path), FLAG_READ), path)
        self._ahead: deque[Range] = deque()
        self._ahead_bytes = self._next = 0

    def read_into(self, offset: int, buffer: memoryview) -> int:
        wanted = max(0, min(len(buffer), self.info.size - offset))
        if not self._ahead or self._ahead[0].offset != offset:
            self._forget_ahead()
            self._next = offset
        done = 0
        while done < wanted:
            self._ask_ahead(offset + wanted)
            asked = self._ahead.popleft()
            self._ahead_bytes -= asked.length
            if asked.length > wanted - done:
                self._forget_ahead()
                return done + self._rest(offset + done, buffer[done:wanted])
            count = _take_whole(self._connection, self._handle, asked, buffer[done:], self._path)
            done += count
            if count < asked.length:
                break
        return done

    def is_unchanged(self) -> bool:
        try:
            now = describe(self._path, look(self._connection, self._folders, self._path))
        except NotFound:
            return False
        return now.version == self.info.version and now.kind is self.info.kind

    def close(self) -> None:
        self._forget_ahead()
        if self._handle:
            self._connection.tell(protocol.CMD_CLOSE, self._handle)
            self._handle = b""

    def _ask_ahead(self, until: int) -> None:
        """Requests never cross `until`, where the caller's buffer ends, so that each is taken whole. Many are sent
        together: when half of what was asked for is taken."""
        if self._ahead and self._ahead_bytes > AHEAD_BYTES // 2:
            return
        while self._next < self.info.size and self._ahead_bytes < AHEAD_BYTES:
            end = until if self._next < until else self.info.size
            length = min(self._connection.read_bytes, end - self._next)
            self._ahead.append(ask_range(self._connection, self._handle, self._next, length))
            self._ahead_bytes += length
            self._next += length
        self._connection.flush()

    def _rest(self, offset: int, buffer: memoryview) -> int:
        asked = ask_all(self._connection, self._handle, offset, len(buffer))
        return take_all(self._connection, self._handle, asked, buffer, self._path)

    def _forget_ahead(self) -> None:
        self._ahead.clear()
        self._ahead_bytes = 0


class SmallFiles:
    """Whole small files, many read in step: a request of each kind for all of them at a time."""

    def __init__(self, connection: Connection, folders: Folders) -> None:
        self._connection, self._folders = connection, folders
        self._coming: deque[bytes] = deque()
        self._max_bytes = 0
        self._found: dict[bytes, tuple[FileInfo, bytes] | StorageError] = {}

    def expect(self, paths: Sequence[bytes], max_bytes: int) -> None:
        """These will be taken; what was expected before is forgotten."""
        self._coming = deque(paths)
        self._found.clear()
        self._max_bytes = max_bytes

    def take(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        """The file; raises what reading it met."""
        if path not in self._found and path in self._coming and max_bytes == self._max_bytes:
            most = max(1, min(FILES_IN_STEP, BYTES_IN_STEP // max(1, max_bytes)))
            self._found.clear()
            self._read([self._coming.popleft() for _ in range(min(most, len(self._coming)))], max_bytes)
        if path not in self._found:
            self._read([path], max_bytes)
        found = self._found.pop(path)
        if isinstance(found, StorageError):
            raise found
        return found

    def _read(self, paths: Sequence[bytes], max_bytes: int) -> None:
        """Every step for all of them before the next; whoever fails is left out of the rest."""
        infos: dict[bytes, FileInfo] = {}
        for path in paths:
            with self._noting(path):
                infos[path] = self._look(path, max_bytes)
        asked = {path: self._connection.ask_open(self._folders.full(path), FLAG_READ) for path in infos}
        handles: dict[bytes, bytes] = {}
        for path, request in asked.items():
            with self._noting(path):
                handles[path] = self._connection.handle(request, path)
        data = self._contents(infos, handles)
        stats = {path: self._connection.ask(protocol.CMD_FSTAT, handles[path]) for path in data}
        for path, request in stats.items():
            with self._noting(path):
                info = describe(path, attributes_of(self._connection.answer(request, path)))
                if info.version != infos[path].version or len(data[path]) != info.size:
                    raise VersionChanged(f"'{display_path(path)}' changed while it was read")
                self._found[path] = (info, data[path])
        self._connection.tell(protocol.CMD_CLOSE, *handles.values())

    def _look(self, path: bytes, max_bytes: int) -> FileInfo:
        info = describe(path, _regular(path, look(self._connection, self._folders, path)))
        if info.size > max_bytes:
            raise VersionChanged(f"'{display_path(path)}' is larger than {max_bytes:,} bytes")
        return info

    def _contents(self, infos: dict[bytes, FileInfo], handles: dict[bytes, bytes]) -> dict[bytes, bytes]:
        asked = {path: ask_all(self._connection, handle, 0, infos[path].size) for path, handle in handles.items()}
        found = {}
        for path, ranges in asked.items():
            with self._noting(path):
                data = bytearray(infos[path].size)
                count = take_all(self._connection, handles[path], ranges, memoryview(data), path)
                found[path] = bytes(data[:count])
        return found

    def _noting(self, path: bytes) -> _Noting:
        return _Noting(self._found, path)


class _Noting:
    """What goes wrong with one file becomes its answer."""

    def __init__(self, found: dict[bytes, tuple[FileInfo, bytes] | StorageError], path: bytes) -> None:
        self._found, self._path = found, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, StorageError):
            self._found[self._path] = error
            return True
        return False


def _regular(path: bytes, found: SFTPAttributes) -> SFTPAttributes:
    if kind_of(found) is not Kind.FILE:
        raise NotRegular(f"'{display_path(path)}' is not a regular file")
    return found
