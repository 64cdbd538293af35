"""The directories a batch works in: opened once for many files, remembered while their entries are not durable."""

from __future__ import annotations

import errno
import os

from storage_backends.errors import StorageError
from storage_backends.local import system
from storage_backends.local.devices import Devices
from storage_backends.local.directories import PRIVATE, make_below, moved_away, open_for_writing, sync_directory
from storage_backends.local.failures import failure
from storage_backends.local.spelling import Directories

_OPEN_AT_ONCE = 32
_IN_THE_WAY = (errno.EACCES, errno.ELOOP, errno.ENOENT, errno.ENOTDIR)
SYNC_EACH_UP_TO = 4
"""So few files, or directories, are synced one by one: a syncfs (about 15 ms) writes out everybody's data."""


class Folders:
    """Descriptors of directories below `root`, by path; each raises StorageError for what it is asked."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: dict[bytes, int] = {}
        self._changed: set[bytes] = set()
        self._identities: dict[bytes, tuple[int, int]] = {}
        """Device and inode of each directory when it was first opened."""
        self.groups: dict[bytes, int] = {}
        """That which owned each when it was opened."""
        self._devices = Devices()
        self._spelled = Directories(root)

    def get(self, folder: bytes, mode: int | None = PRIVATE) -> int:
        """A descriptor, valid until the next call; the directory is made with `mode` where it is missing.

        None makes nothing: NotFound."""
        fd = self._open.get(folder)
        if fd is not None:
            return fd
        made: list[bytes] = []
        fd = open_for_writing(self._root, folder, made, mode)
        self._changed.update(made)
        try:
            self._spelled.check(folder)
        except BaseException:
            os.close(fd)
            raise
        return self._keep(folder, fd)

    def _keep(self, folder: bytes, fd: int) -> int:
        if len(self._open) >= _OPEN_AT_ONCE:
            os.close(self._open.pop(next(iter(self._open))))
        self._open[folder] = fd
        status = os.fstat(fd)
        self._identities.setdefault(folder, (status.st_dev, status.st_ino))
        self.groups[folder] = status.st_gid
        self._devices.remember(fd, status)
        return fd

    def make(self, above: bytes, names: bytes, mode: int) -> int:
        """As `get`, for a directory `names` that is built below `above` by this batch alone: it is made without looking
        for it before. Where it is another one under another spelling, the two hold more than each of them has to."""
        folder = _join(above, names)
        if folder in self._open:
            return self._open[folder]
        made: list[bytes] = []
        try:
            fd = make_below(self.get(above, mode), names, made, mode)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise failure(error, folder) from error
            return self.get(folder, mode)  # which says what it is
        finally:
            self._changed.update(_join(above, each) for each in made)
        return self._keep(folder, fd)

    def changed(self, folder: bytes) -> None:
        """An entry of `folder` was given its name."""
        self._changed.add(folder)

    def moved_away(self, folder: bytes) -> StorageError | None:
        """Why the path `folder` leads somewhere else than when it was first opened; its entries are then not synced."""
        error = moved_away(self._root, folder, self._identities[folder])
        if error is not None:
            self._changed.discard(folder)
        return error

    def sync_changed(self) -> None:
        """Entries of every changed directory are durable when this returns."""
        if len(self._changed) > SYNC_EACH_UP_TO and system.has_group_commit():
            self.sync_everything()
        else:
            for folder in self._changed:
                sync_directory(self._root, folder)
        self._changed.clear()

    def sync_everything(self) -> None:
        """All that was written to the file systems of these directories is durable when this returns."""
        self._devices.sync()
        self._changed.clear()

    def close(self) -> None:
        """Idempotent."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
        self._devices.close()


def _join(above: bytes, names: bytes) -> bytes:
    return b"/".join(filter(None, (above, names)))
