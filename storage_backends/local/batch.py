"""Small files and links, many at a time: each staged under its partial's name, all made durable by one `syncfs`.

Per file: open (O_EXCL), write, read back on the same descriptor, times, one look, close; later rename and one look. A
partial of a batch is never resumed, always a new inode, so it needs no lock: the epoch in its name is fence enough.
What goes into a new directory needs no name of its own and no rename: see `trees`.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Collection

from storage_backends.base import Attributes, FileInfo, PartialId, WriteBatch
from storage_backends.errors import (
    ChecksumMismatch,
    InputOutputError,
    NameCollision,
    NotFound,
    StorageError,
    UploadGone,
)
from storage_backends.local import partials, system
from storage_backends.local.attributes import directory_mode, give_link
from storage_backends.local.beneath import split_path
from storage_backends.local.directories import PRIVATE, refuse_directory
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import SYNC_EACH_UP_TO, Folders
from storage_backends.local.fresh import Fresh
from storage_backends.local.remains import Remains
from storage_backends.local.spelling import folds_case, give_name
from storage_backends.local.staged import Looks, Staged
from storage_backends.local.trees import Place, Trees

_make = tuple.__new__
_ODD_NAMES = (b"", b".", b"..")


class LocalBatch(WriteBatch):
    """See `WriteBatch`."""

    def __init__(self, root: int, remains: Remains) -> None:
        """`remains`: of attempts older than those of what is staged here."""
        self._folders = Folders(root)
        self._trees = Trees(root, self._folders)
        self._remains = remains
        self._checked: bytes | None = None
        """The folder of the last file: those of one folder come one after the other."""
        self._folder: bytes | None = None
        """That which was last worked in, and its descriptor."""
        self._directory = -1
        self._listings: dict[bytes, partials.Listing] = {}
        self._folding: dict[bytes, bool] = {}
        self._fresh = Fresh()
        self._staged: dict[bytes, Staged] = {}
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
        folder, name, place, directory = self._place(path, attributes, partial)
        fresh, own_name, fd = self._fresh, name if place.top else partial.name, -1
        mode = fresh.mode_of(attributes)
        first_mode = fresh.first_mode(mode, attributes, self._folders.group(place.folder))
        try:
            fd = _create(directory, own_name, first_mode, is_alone=place.top is None)
        except OSError as error:
            raise _not_created(error, directory, path, place) from error
        try:
            _fill(fd, data if isinstance(data, bytes) else bytes(data), path)
            status = fresh.finish(fd, attributes, mode)
            if status.st_size != len(data):
                raise ChecksumMismatch(f"{show(path)} was changed by somebody else while it was written")
            self._sync_later(fd)
        except OSError as error:
            _drop(directory, own_name, fd)
            raise failure(error, path) from error
        except BaseException:
            _drop(directory, own_name, fd)
            raise
        self._staged[path] = _make(Staged, (folder, name, own_name, partial, place, status))

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        folder, name, place, directory = self._place(path, attributes, partial)
        own_name = name if place.top else partial.name
        try:
            _create_link(directory, own_name, target, is_alone=place.top is None)
        except OSError as error:
            raise _not_created(error, directory, path, place) from error
        try:
            if system.readlink(own_name, dir_fd=directory) != target:
                raise ChecksumMismatch(f"the target of {show(path)} reads back differently")
            give_link(directory, own_name, attributes)
            status = system.stat(own_name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            _drop(directory, own_name)
            raise failure(error, path) from error
        except StorageError:
            _drop(directory, own_name)
            raise
        self._is_durable = False
        self._staged[path] = Staged(folder, name, own_name, partial, place, status)

    def flush(self) -> None:
        try:
            if self._is_crowded:
                self._folders.sync_everything()
            else:
                for fd in self._unsynced:
                    system.fsync(fd)
                self._folders.sync_changed()
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
        renamed = defaultdict[bytes, list[bytes]](list)
        looks = Looks(lambda folder: self._open(folder, None))
        self._discard_staged(keep=wanted)
        published = self._trees.publish((staged.place, staged.name) for staged in self._staged.values())
        self._folder = None  # its descriptor may have been closed for those of the trees
        self._listings.clear()
        for path, staged in self._staged.items():  # in this order files of one folder are together
            changed = published.get(staged.place.folder)
            try:
                results[path] = looks.at(path, staged) if changed is not None else self._give_name(path, staged)
            except StorageError as error:
                results[path] = error
                continue
            renamed[staged.folder if changed is None else changed].append(path)
        self._staged.clear()
        for path in set(wanted).difference(results):
            results[path] = UploadGone(f"{show(path)} was not staged")
        results |= self._settle(renamed)
        return results

    def discard(self) -> None:
        self._discard_staged()
        self._trees.remove()
        self._close_files()
        self._folder = None
        self._folders.close()

    def _place(self, path: bytes, attributes: Attributes, partial: PartialId) -> tuple[bytes, bytes, Place, int]:
        """Folder and name, and where to stage it, cleared of what older epochs left."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._checked or name in _ODD_NAMES or 0 in name:
            folder, name = split_path(path)
            self._checked = folder
        mode = directory_mode() if attributes.mode is None else PRIVATE
        if partial.epoch > 1:
            self._remains.discard(path, partial.installation)
        try:
            place = self._trees.place(folder, partial.installation, mode)
        except BaseException:
            self._folder = None  # its descriptor may have been closed for those of the trees
            raise
        directory = self._open(place.folder, mode)
        if place.top is None and partial.epoch > 1:
            try:
                self._discard_older(folder, partial, directory)
            except OSError as error:
                raise failure(error, path) from error
        return folder, name, place, directory

    def _discard_older(self, folder: bytes, partial: PartialId, directory: int) -> None:
        if partial.epoch > 1:
            partials.discard_older(directory, partial, self._listings.setdefault(folder, partials.Listing()))

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

    def _give_name(self, path: bytes, staged: Staged) -> FileInfo | StorageError:
        """What stands there then."""
        if staged.place.top is not None:
            self._move_in(path, staged)
        return staged.look(self._rename(path, staged), path)

    def _move_in(self, path: bytes, staged: Staged) -> None:
        """Out of a tree, whose directory somebody else has made meanwhile."""
        try:
            tree = os.dup(self._folders.get(staged.place.folder, None))
            self._folder = None  # its descriptor may have been closed for this one
            try:
                directory = self._open(staged.folder, staged.place.mode)
                system.rename(staged.name, staged.partial.name, src_dir_fd=tree, dst_dir_fd=directory)
            finally:
                os.close(tree)
        except (FileNotFoundError, NotFound) as error:
            raise _taken(path) from error
        except OSError as error:
            raise failure(error, path) from error

    def _rename(self, path: bytes, staged: Staged) -> int:
        """Give it its name; returns the folder's descriptor. What an older attempt moved out of a tree, after this was
        staged elsewhere or the folder was listed, loses its own name before: it would be given it over this one."""
        directory = self._open(staged.folder, None)
        partial = staged.own_name if staged.place.top is None else staged.partial.name
        try:
            if staged.place.top is not None or staged.partial.epoch > partials.LOOKUPS:
                self._discard_older(staged.folder, staged.partial, directory)
            give_name(directory, partial, staged.name, path, folds=self._folds_case(directory, staged))
        except FileNotFoundError as error:
            raise _taken(path) from error
        except OSError as error:
            _drop(directory, partial)
            raise failure(error, path) from error
        except NameCollision:
            _drop(directory, partial)
            raise
        self._folders.changed(staged.folder)
        return directory

    def _folds_case(self, directory: int, staged: Staged) -> bool:
        """Asked once for each folder."""
        if staged.folder not in self._folding:
            self._folding[staged.folder] = folds_case(directory, staged.partial.name)
        return self._folding[staged.folder]

    def _discard_staged(self, keep: Collection[bytes] = ()) -> None:
        for path in [path for path in self._staged if path not in keep]:
            staged = self._staged.pop(path)
            try:
                _drop(self._open(staged.place.folder, None), staged.own_name)
            except StorageError:
                continue  # its directory is gone; whatever is left belongs to the janitor

    def _close_files(self) -> None:
        for fd in self._unsynced:
            os.close(fd)
        self._unsynced.clear()


def _create(directory: int, name: bytes, mode: int, *, is_alone: bool) -> int:
    """`is_alone`: what has this name already was left by this very epoch."""
    try:
        return system.open(name, partials.CREATE, mode, dir_fd=directory)
    except FileExistsError:
        if not is_alone:
            raise
        partials.remove(directory, name)
        return system.open(name, partials.CREATE, mode, dir_fd=directory)


def _create_link(directory: int, name: bytes, target: bytes, *, is_alone: bool) -> None:
    if is_alone:
        partials.remove(directory, name)
    system.symlink(target, name, dir_fd=directory)


def _not_created(error: OSError, directory: int, path: bytes, place: Place) -> StorageError:
    """Or raises KindConflict."""
    if place.top is not None and isinstance(error, FileExistsError):
        refuse_directory(directory, path.rpartition(b"/")[2], path)
        return NameCollision(f"{show(path)} and another are the same name for this file system; rename one of them")
    return failure(error, path)


def _taken(path: bytes) -> UploadGone:
    return UploadGone(f"the partial of {show(path)} went to a younger attempt")


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


def _drop(directory: int, name: bytes, fd: int = -1) -> None:
    """Clean up after an error, which is the one to tell; what can't be removed is left to the janitor."""
    with contextlib.suppress(OSError):
        if fd >= 0:
            os.close(fd)
    with contextlib.suppress(OSError):
        partials.remove(directory, name)
