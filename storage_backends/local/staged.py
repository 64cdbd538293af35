"""A file or link of a batch that waits for its name, and whether it still is what was written."""

from __future__ import annotations

import os
from typing import NamedTuple

from storage_backends.base import FileInfo, PartialId
from storage_backends.errors import PreconditionFailed, StorageError
from storage_backends.local import system
from storage_backends.local.attributes import describe
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import Folders
from storage_backends.local.trees import Place


class Staged(NamedTuple):
    """Written, read back, and not yet visible."""

    folder: bytes
    name: bytes
    own_name: bytes
    """The one that it was written under."""
    partial: PartialId
    place: Place
    status: os.stat_result
    """As it was when everything had been given to it."""

    def look(self, directory: int, path: bytes) -> FileInfo | StorageError:
        """What stands at `path` now, in `directory`; it has to be what was staged, untouched."""
        try:
            status = system.stat(self.name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            return failure(error, path)
        if _lasting(status) != _lasting(self.status):
            return PreconditionFailed(f"{show(path)} was changed by somebody else right after it was published")
        return describe(path, status)


def _lasting(status: os.stat_result) -> tuple[int, int, int, int]:
    """What a rename leaves as it was and an edit does not (a rename changes ctime)."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Looks:
    """What stands at each of the paths that were published with their directory: its rename changes nothing of the
    files in it, so that those of one directory are as they were staged if the first one is. Where it is not (somebody
    edited it, or the file system writes times late) each is looked at. An edit of another one is drift, which a scan
    sees."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._folder: bytes | None = None
        self._is_as_staged = False

    def at(self, path: bytes, staged: Staged) -> FileInfo | StorageError:
        """At once, those of one directory one after the other. Raises StorageError."""
        expected = describe(path, staged.status)
        if staged.folder == self._folder and self._is_as_staged:
            return expected
        found = staged.look(self._folders.get(staged.folder, None), path)
        self._folder, self._is_as_staged = staged.folder, found == expected
        return found
