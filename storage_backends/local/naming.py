"""What a batch has staged gets its names: whole new directories first, then every other file by a rename of its own."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping

from storage_backends.base import FileInfo
from storage_backends.errors import NameCollision, NotFound, StorageError, UploadGone
from storage_backends.local import partials, system
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import Folders
from storage_backends.local.making import drop
from storage_backends.local.spelling import folds_case, give_name
from storage_backends.local.staged import Looks, Staged
from storage_backends.local.trees import Trees


class Naming:
    """To be made once everything is durable, and used once."""

    def __init__(self, folders: Folders, trees: Trees) -> None:
        self._folders, self._trees = folders, trees
        self._results: dict[bytes, FileInfo | StorageError] = {}
        self._renamed = defaultdict[bytes, list[bytes]](list)
        """Paths by the directory that got a new entry."""
        self._listings = defaultdict[bytes, partials.Listing](partials.Listing)
        self._folding: dict[bytes, bool] = {}

    def give(self, files: Mapping[bytes, Staged]) -> None:
        """To each, by its path."""
        looks, results, renamed = Looks(self._folders), self._results, self._renamed
        published = self._trees.publish((staged.place, staged.name) for staged in files.values())
        for path, staged in files.items():  # in this order files of one folder are together
            changed = published.get(staged.place.folder)
            try:
                results[path] = looks.at(path, staged) if changed is not None else self._give_name(path, staged)
            except StorageError as error:
                results[path] = error
                continue
            renamed[staged.folder if changed is None else changed].append(path)

    def settle(self) -> dict[bytes, FileInfo | StorageError]:
        """Make the names durable; returns what stands at each path, or why it can't be said that it will stay."""
        for folder, paths in self._renamed.items():
            self._folders.changed(folder)
            error = self._folders.moved_away(folder)
            if error is not None:
                self._results |= dict.fromkeys(paths, error)
        try:
            self._folders.sync_changed()
        except StorageError as error:
            self._results |= {path: error for paths in self._renamed.values() for path in paths}
        return self._results

    def _give_name(self, path: bytes, staged: Staged) -> FileInfo | StorageError:
        """What stands there then."""
        if staged.place.top is not None:
            self._move_in(path, staged)
        return staged.look(self._rename(path, staged), path)

    def _move_in(self, path: bytes, staged: Staged) -> None:
        """Out of a tree, whose directory somebody else has made meanwhile."""
        try:
            tree = os.dup(self._folders.get(staged.place.folder, None))
            try:
                directory = self._folders.get(staged.folder, staged.place.mode)
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
        folder, partial = staged.folder, staged.partial
        directory = self._folders.get(folder, None)
        own_name = staged.own_name if staged.place.top is None else partial.name
        try:
            if staged.place.top is not None or partial.epoch > partials.LOOKUPS:
                partials.discard_older(directory, partial, self._listings[folder])
            give_name(directory, own_name, staged.name, path, folds=self._folds_case(directory, staged))
        except FileNotFoundError as error:
            raise _taken(path) from error
        except OSError as error:
            drop(directory, own_name)
            raise failure(error, path) from error
        except NameCollision:
            drop(directory, own_name)
            raise
        return directory

    def _folds_case(self, directory: int, staged: Staged) -> bool:
        """Asked once for each folder."""
        if staged.folder not in self._folding:
            self._folding[staged.folder] = folds_case(directory, staged.partial.name)
        return self._folding[staged.folder]


def _taken(path: bytes) -> UploadGone:
    return UploadGone(f"the partial of {show(path)} went to a younger attempt")
