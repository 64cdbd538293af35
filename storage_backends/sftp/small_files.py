"""Whole small files, many read in step: a request of each kind for all of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from paramiko import sftp as protocol

from storage_backends.base import FileInfo
from storage_backends.errors import StorageError, VersionChanged
from storage_backends.names import display_path
from storage_backends.sftp.connection import FLAG_READ, Connection, attributes_of
from storage_backends.sftp.describing import describe
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.ranges import ask_all, take_all
from storage_backends.sftp.reading import look_at_file

FILES_IN_STEP, BYTES_IN_STEP = 64, 16 << 20


class SmallFiles:
    """Those that will be taken soon, of one thread."""

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
        info = look_at_file(self._connection, self._folders, path)
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
    """What goes wrong with one file becomes its answer. (Entered for each file four times, so no generator.)"""

    def __init__(self, found: dict[bytes, tuple[FileInfo, bytes] | StorageError], path: bytes) -> None:
        self._found, self._path = found, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, StorageError):
            self._found[self._path] = error
            return True
        return False
