"""Small files and links, many at a time: each staged under its partial's name, all made durable by one `syncfs`.

Per file: open (O_EXCL), write, read back on the same descriptor, times, one look, close; later rename and one look. A
partial of a batch is never resumed, always a new inode, so it needs no lock: the epoch in its name is fence enough.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import NamedTuple

from storage_backends.base import Attributes, FileInfo, PartialId, WriteBatch
from storage_backends.errors import (
    ChecksumMismatch,
    InputOutputError,
    NameCollision,
    PreconditionFailed,
    StorageError,
    UploadGone,
)
from storage_backends.local import partials, system
from storage_backends.local.attributes import describe, directory_mode, give_link
from storage_backends.local.beneath import split_path
from storage_backends.local.directories import PRIVATE
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import SYNC_EACH_UP_TO, Folders
from storage_backends.local.fresh import Fresh
from storage_backends.local.spelling import folds_case, give_name

_ODD_NAMES = (b"", b".", b"..")


class _Staged(NamedTuple):
    folder: bytes
    name: bytes
    partial: bytes
    seen: tuple[int, int, int, int]
    """See `_seen`: as it was when everything had been given to it."""


class LocalBatch(WriteBatch):
    """See `WriteBatch`."""

    def __init__(self, root: int) -> None:
        self._folders = Folders(root)
        self._folder: bytes | None = None
        """That of the last file, and its descriptor: files of one folder come one after the other."""
        self._directory = -1
        self._listings: dict[bytes, partials.Listing] = {}
        self._folding: dict[bytes, bool] = {}
        self._fresh = Fresh()
        self._staged: dict[bytes, _Staged] = {}
        self._is_durable = False
        self._unsynced: list[int] = []
        """Open descriptors of staged files, while they are few."""
        self._is_crowded = False
        """Some staged file was closed without having been synced, so flushing takes a syncfs."""

    def stage(
        self,
        path: bytes,
        data: bytes | memoryview,
        attributes: Attributes,
        partial: PartialId,
        *,
        expected: str | None = None,
    ) -> None:
        folder, name, directory = self._place(path, attributes, partial)
        fresh, own_name, fd = self._fresh, partial.name, -1
        mode = fresh.mode_of(attributes)
        try:
            fd = _create(directory, own_name, fresh.first_mode(mode, attributes, self._folders.group(folder)))
            _fill(fd, data if isinstance(data, bytes) else bytes(data), path)
            status = fresh.finish(fd, attributes, mode)
            if status.st_size != len(data):
                raise ChecksumMismatch(f"{show(path)} was changed by somebody else while it was written")
            self._sync_later(fd)
        except OSError as error:
            _drop(directory, own_name, fd)
            raise failure(error, path) from error
        except StorageError:
            _drop(directory, own_name, fd)
            raise
        self._staged[path] = _Staged(folder, name, own_name, _seen(status))

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        folder, name, directory = self._place(path, attributes, partial)
        try:
            partials.remove(directory, partial.name)
            system.symlink(target, partial.name, dir_fd=directory)
            if system.readlink(partial.name, dir_fd=directory) != target:
                raise ChecksumMismatch(f"the target of {show(path)} reads back differently")
            give_link(directory, partial.name, attributes)
            status = system.stat(partial.name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            _drop(directory, partial.name)
            raise failure(error, path) from error
        except StorageError:
            _drop(directory, partial.name)
            raise
        self._is_durable = False
        self._staged[path] = _Staged(folder, name, partial.name, _seen(status))

    def flush(self) -> None:
        try:
            if self._is_crowded:
                self._folders.sync_everything()
            else:
                for fd in self._unsynced:
                    system.fsync(fd)
        except OSError as error:
            raise failure(error, b"") from error
        finally:
            self._close_files()
        self._is_crowded = False
        self._is_durable = True

    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        if not self._is_durable:
            raise StorageError("a batch is published only after it was flushed without an error")
        results: dict[bytes, FileInfo | StorageError] = {}
        renamed: dict[bytes, list[bytes]] = {}
        for path in [path for path in self._staged if path in wanted]:  # in this order files of one folder are together
            staged = self._staged.pop(path)
            try:
                directory = self._rename(path, staged)
            except StorageError as error:
                results[path] = error
                continue
            results[path] = _look(directory, path, staged)  # at once: what is edited later is drift, and seen as such
            renamed.setdefault(staged.folder, []).append(path)
        for path in wanted:
            if path not in results:
                results[path] = UploadGone(f"{show(path)} was not staged")
        self._discard_staged()
        return results | self._settle(renamed)

    def discard(self) -> None:
        self._discard_staged()
        self._close_files()
        self._folder = None
        self._folders.close()

    def _place(self, path: bytes, attributes: Attributes, partial: PartialId) -> tuple[bytes, bytes, int]:
        """Folder, name and the folder's descriptor, cleared of what older epochs left."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder or name in _ODD_NAMES or b"\0" in name:
            folder, name = split_path(path)
        directory = self._open(folder, directory_mode() if attributes.mode is None else PRIVATE)
        if partial.epoch > 1:
            try:
                listing = self._listings.setdefault(folder, partials.Listing())
                partials.discard_older(directory, partial, listing)
            except OSError as error:
                raise failure(error, path) from error
        return folder, name, directory

    def _open(self, folder: bytes, mode: int | None) -> int:
        if folder != self._folder:
            self._folder = None
            self._directory = self._folders.get(folder, mode)
            self._folder = folder
        return self._directory

    def _sync_later(self, fd: int) -> None:
        """Hands `fd` over: kept until `flush` while there are few, else closed for the group commit to take care of."""
        self._is_durable = False
        if not system.has_group_commit():
            system.fsync(fd)
            os.close(fd)
        elif len(self._unsynced) < SYNC_EACH_UP_TO:
            self._unsynced.append(fd)
        else:
            self._is_crowded = True
            os.close(fd)

    def _settle(self, renamed: dict[bytes, list[bytes]]) -> dict[bytes, StorageError]:
        """Make the names given in each folder durable; returns the paths for which that can't be said."""
        errors: dict[bytes, StorageError] = {}
        for folder, paths in renamed.items():
            error = self._folders.moved_away(folder)
            if error is not None:
                errors |= dict.fromkeys(paths, error)
        try:
            self._folders.sync_changed()
        except StorageError as error:
            return {path: error for paths in renamed.values() for path in paths}
        return errors

    def _rename(self, path: bytes, staged: _Staged) -> int:
        """Give it its name; returns the folder's descriptor."""
        directory = self._open(staged.folder, None)
        try:
            give_name(directory, staged.partial, staged.name, path, folds=self._folds_case(directory, staged))
        except FileNotFoundError as error:
            raise UploadGone(f"the partial of {show(path)} went to a younger attempt") from error
        except OSError as error:
            _drop(directory, staged.partial)
            raise failure(error, path) from error
        except NameCollision:
            _drop(directory, staged.partial)
            raise
        self._folders.changed(staged.folder)
        return directory

    def _folds_case(self, directory: int, staged: _Staged) -> bool:
        """Asked once for each folder."""
        if staged.folder not in self._folding:
            self._folding[staged.folder] = folds_case(directory, staged.partial)
        return self._folding[staged.folder]

    def _discard_staged(self) -> None:
        for staged in self._staged.values():
            try:
                _drop(self._open(staged.folder, None), staged.partial)
            except StorageError:
                continue  # its directory is gone; whatever is left belongs to the janitor
        self._staged.clear()

    def _close_files(self) -> None:
        for fd in self._unsynced:
            os.close(fd)
        self._unsynced.clear()


def _create(directory: int, name: bytes, mode: int) -> int:
    try:
        return system.open(name, partials.CREATE, mode, dir_fd=directory)
    except FileExistsError:  # left by this very epoch
        partials.remove(directory, name)
        return system.open(name, partials.CREATE, mode, dir_fd=directory)


def _fill(fd: int, data: bytes, path: bytes) -> None:
    """Write `data`, read it back on the same descriptor, compare."""
    done = system.pwrite(fd, data, 0)
    while done < len(data):
        count = system.pwrite(fd, data[done:], done)
        if count == 0:
            raise InputOutputError(f"the device took no byte of {show(path)}; check it (dmesg)")
        done += count
    if system.pread(fd, len(data) + 1, 0) != data:
        raise ChecksumMismatch(f"{show(path)} reads back differently from what was written")


def _seen(status: os.stat_result) -> tuple[int, int, int, int]:
    """What a rename leaves as it was and an edit does not (a rename changes ctime)."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _look(directory: int, path: bytes, staged: _Staged) -> FileInfo | StorageError:
    """What stands at `path` now; it has to be what was staged, untouched."""
    try:
        status = system.stat(staged.name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        return failure(error, path)
    if _seen(status) != staged.seen:
        return PreconditionFailed(f"{show(path)} was changed by somebody else right after it was published")
    return describe(path, status)


def _drop(directory: int, name: bytes, fd: int = -1) -> None:
    """Clean up after an error, which is the one to tell; what can't be removed is left to the janitor."""
    with contextlib.suppress(OSError):
        if fd >= 0:
            os.close(fd)
    with contextlib.suppress(OSError):
        partials.remove(directory, name)
