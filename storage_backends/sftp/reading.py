"""One file. What comes next is asked for before it is wanted."""

from __future__ import annotations

from collections import deque

from paramiko import sftp as protocol
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.base import FileInfo, Kind, OpenFile
from storage_backends.errors import NotFound, NotRegular, StorageError
from storage_backends.names import display_path
from storage_backends.sftp.connection import FLAG_READ, Connection
from storage_backends.sftp.describing import describe, kind_of
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.ranges import Range, ask_all, ask_range, take_all, take_whole

AHEAD_BYTES = 4 << 20
"""Of one open file, asked for and not yet taken."""


def look(connection: Connection, folders: Folders, path: bytes) -> SFTPAttributes:
    """Attributes of a name below the root. Raises NotFound, also for what is below a file."""
    folder, full = folders.split(path)
    try:
        folders.enter(folder)
    except StorageError as error:
        raise NotFound(f"there is no '{display_path(path)}': {error}") from error
    return connection.lstat(full, path)


def look_at_file(connection: Connection, folders: Folders, path: bytes) -> FileInfo:
    """The same of a regular file. Raises NotFound, NotRegular."""
    found = look(connection, folders, path)
    if kind_of(found) is not Kind.FILE:
        raise NotRegular(f"'{display_path(path)}' is not a regular file")
    return describe(path, found)


class SftpFile(OpenFile):
    """One open file. Reading in order is read ahead for."""

    def __init__(self, connection: Connection, folders: Folders, path: bytes) -> None:
        self._connection, self._folders, self._path = connection, folders, path
        self.info = look_at_file(connection, folders, path)
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
            count = take_whole(self._connection, self._handle, asked, buffer[done:], self._path)
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
