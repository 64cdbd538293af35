"""Small files and links, many at a time: each staged under its partial's name, all made durable by one `syncfs`.

Per file: open (O_EXCL), write, read back on the same descriptor, times, one look, close; later rename and one look. A
partial of a batch is never resumed, always a new inode, so it needs no lock: the epoch in its name is fence enough.
What goes into a new directory needs no name of its own and no rename: see `trees`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from storage_backends.base import Attributes, FileInfo, PartialId, WriteBatch
from storage_backends.errors import ChecksumMismatch, StorageError, UploadGone
from storage_backends.local import partials, system
from storage_backends.local.attributes import directory_mode, give_link
from storage_backends.local.beneath import ODD_NAMES, split_path
from storage_backends.local.directories import PRIVATE
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import Folders
from storage_backends.local.fresh import Fresh
from storage_backends.local.making import create, create_link, drop, fill, not_created
from storage_backends.local.naming import Naming
from storage_backends.local.remains import Remains
from storage_backends.local.staged import Staged
from storage_backends.local.trees import Place, Trees
from storage_backends.local.unsynced import Unsynced

_make = tuple.__new__


class LocalBatch(WriteBatch):
    """See `WriteBatch`."""

    def __init__(self, root: int, remains: Remains) -> None:
        """`remains`: of attempts older than those of what is staged here."""
        self._folders = Folders(root)
        self._trees = Trees(root, self._folders)
        self._remains = remains
        self._checked: bytes | None = None
        """The folder of the last file: those of one folder come one after the other."""
        self._listings = defaultdict[bytes, partials.Listing](partials.Listing)
        self._fresh = Fresh()
        self._staged: dict[bytes, Staged] = {}
        self._unsynced = Unsynced(self._folders)
        self._is_durable = False

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
        first_mode = fresh.first_mode(mode, attributes, self._folders.groups[place.folder])
        try:
            fd = create(directory, own_name, first_mode, is_alone=place.top is None)
        except OSError as error:
            raise not_created(error, directory, path, is_alone=place.top is None) from error
        try:
            fill(fd, data if isinstance(data, bytes) else bytes(data), path)
            status = fresh.finish(fd, attributes, mode)
            if status.st_size != len(data):
                raise ChecksumMismatch(f"{show(path)} was changed by somebody else while it was written")
            self._is_durable = False
            self._unsynced.add(fd)
        except OSError as error:
            drop(directory, own_name, fd)
            raise failure(error, path) from error
        except BaseException:
            drop(directory, own_name, fd)
            raise
        self._staged[path] = _make(Staged, (folder, name, own_name, partial, place, status))

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        folder, name, place, directory = self._place(path, attributes, partial)
        own_name = name if place.top else partial.name
        try:
            create_link(directory, own_name, target, is_alone=place.top is None)
        except OSError as error:
            raise not_created(error, directory, path, is_alone=place.top is None) from error
        try:
            if system.readlink(own_name, dir_fd=directory) != target:
                raise ChecksumMismatch(f"the target of {show(path)} reads back differently")
            give_link(directory, own_name, attributes)
            status = system.stat(own_name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            drop(directory, own_name)
            raise failure(error, path) from error
        except StorageError:
            drop(directory, own_name)
            raise
        self._is_durable = False
        self._staged[path] = Staged(folder, name, own_name, partial, place, status)

    def flush(self) -> None:
        try:
            self._unsynced.sync()
        except OSError as error:
            raise failure(error, b"") from error
        self._is_durable = True

    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        if not self._is_durable:
            raise StorageError("a batch is published only after it was flushed without an error")
        self._discard_staged(keep=wanted)
        naming = Naming(self._folders, self._trees)
        naming.give(self._staged)
        self._staged.clear()  # they are no partials any more, whatever settling them says
        self._listings.clear()
        results = naming.settle()
        return results | {path: UploadGone(f"{show(path)} was not staged") for path in set(wanted) - results.keys()}

    def discard(self) -> None:
        self._discard_staged()
        self._trees.remove()
        self._unsynced.close()
        self._folders.close()

    def _place(self, path: bytes, attributes: Attributes, partial: PartialId) -> tuple[bytes, bytes, Place, int]:
        """Folder and name, and where to stage it, cleared of what older epochs left."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._checked or name in ODD_NAMES or 0 in name:
            folder, name = split_path(path)
            self._checked = folder
        mode = directory_mode() if attributes.mode is None else PRIVATE
        is_retry = partial.epoch > 1
        if is_retry:
            self._remains.discard(path, partial.installation)
        place = self._trees.place(folder, partial.installation, mode)
        directory = self._folders.get(place.folder, mode)
        if is_retry and place.top is None:
            try:
                partials.discard_older(directory, partial, self._listings[folder])
            except OSError as error:
                raise failure(error, path) from error
        return folder, name, place, directory

    def _discard_staged(self, keep: Collection[bytes] = ()) -> None:
        for path in [path for path in self._staged if path not in keep]:
            staged = self._staged.pop(path)
            try:
                drop(self._folders.get(staged.place.folder, None), staged.own_name)
            except StorageError:
                continue  # its directory is gone; whatever is left belongs to the janitor
