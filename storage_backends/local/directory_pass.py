"""Directories of the sink given their mode, owner and times: few are synced one by one, many by one `syncfs`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from storage_backends.base import Attributes, FileInfo, check_path
from storage_backends.errors import StorageError
from storage_backends.local import system
from storage_backends.local.attributes import describe, directory_mode, give
from storage_backends.local.devices import Devices
from storage_backends.local.directories import open_for_writing, sync_directory
from storage_backends.local.failures import failure
from storage_backends.local.folders import SYNC_EACH_UP_TO
from storage_backends.local.spelling import Directories


def write_directories(root: int, directories: Sequence[tuple[bytes, Attributes]]) -> list[FileInfo | StorageError]:
    """See `Storage.write_directories`."""
    written = _Pass(root, is_group=len(directories) > SYNC_EACH_UP_TO and system.has_group_commit())
    try:
        answers = [written.write(path, attributes) for path, attributes in directories]
        written.sync()
    finally:
        written.close()
    return answers


class _Pass:
    """Directories on their way; with `is_group` durable only after `sync`."""

    def __init__(self, root: int, *, is_group: bool) -> None:
        self._root, self._is_group = root, is_group
        self._devices = Devices()
        self._spelled = Directories(root)

    def write(self, path: bytes, attributes: Attributes) -> FileInfo | StorageError:
        try:
            return self._write(b"/".join(check_path(path)) if path else path, attributes)
        except StorageError as error:
            return error
        except OSError as error:
            return failure(error, path)

    def _write(self, path: bytes, attributes: Attributes) -> FileInfo:
        made: list[bytes] = []
        fd = open_for_writing(self._root, path, made)
        try:
            self._spelled.check(path)
            status = system.fstat(fd)
            if self._is_group:
                self._devices.remember(fd, status)
            else:
                for parent in made:
                    sync_directory(self._root, parent)
            give(fd, attributes, status, directory_mode() if made else None)
            if not self._is_group:
                system.fsync(fd)
            return describe(path, system.fstat(fd))
        finally:
            os.close(fd)

    def sync(self) -> None:
        """All that was written is durable when this returns; raises StorageError."""
        self._devices.sync()

    def close(self) -> None:
        self._devices.close()
