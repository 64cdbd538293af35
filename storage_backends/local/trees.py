"""New directories: each is built under a partial's name with all that goes into it, and gets its own name at the end.

One rename instead of one for every file, and every file is written under the name that it will have::

    stage      .syncf-<installation>-<digest>-<number>.part/deep/name
    publish    rename(.syncf-….part, directory), only if there is no such directory yet

Where another worker was first with it, its files are moved there one by one (`LocalBatch`). The fences are those of
every partial: whoever takes a task over removes its file from the trees of older attempts, so that they have nothing of
it to publish. A tree is locked by who builds it; one that nobody holds is left of a dead attempt, and removed whole.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from storage_backends.base import PartialId
from storage_backends.errors import StorageError
from storage_backends.local import system
from storage_backends.local.beneath import READ_DIRECTORY, open_beneath
from storage_backends.local.failures import failure
from storage_backends.local.folders import Folders
from storage_backends.local.remains import lock_tree, remove_tree
from storage_backends.local.spelling import folds_case

MOST_TREES = 64
"""Built at once by a batch: each lock takes a descriptor. Further directories are made where they belong."""


class Place(NamedTuple):
    """Where the files of a directory are staged."""

    folder: bytes
    top: bytes | None
    """The new directory that this is a part of, by its own name; None: it is an existing one."""


class _Tree(NamedTuple):
    above: bytes
    name: bytes
    hidden: bytes
    lock: int


class Trees:
    """Those that one batch builds, by the names that they will have. Raises StorageError for what it is asked."""

    def __init__(self, root: int, folders: Folders) -> None:
        self._root, self._folders = root, folders
        self._building: dict[bytes, _Tree] = {}
        self._places: dict[bytes, Place] = {}

    def place(self, folder: bytes, installation: str, mode: int) -> Place:
        """Files of `folder` go there if it exists; else where the tree is built that it belongs to."""
        found = self._places.get(folder)
        if found is None:
            found = self._places[folder] = self._find(folder, installation, mode)
        return found

    def publish(self, staged: Iterable[tuple[Place, bytes]]) -> dict[bytes, bytes]:
        """Give the trees their names; those that got it, with their parents. One that holds anything else than these
        names does not, nor one whose directory somebody else has made."""
        expected = self._expected(staged)
        published = {}
        for top, tree in list(self._building.items()):
            with suppress(OSError, StorageError):  # then its files are moved one by one, and each says what is wrong
                if not all(self._holds(folder, names) for folder, names in expected[top].items()):
                    continue
                system.rename_new(tree.hidden, tree.name, dir_fd=self._folders.get(tree.above, None))
                self._folders.changed(tree.above)
                published[top] = tree.above
                self._end(top)
        return published

    def _expected(self, staged: Iterable[tuple[Place, bytes]]) -> dict[bytes, dict[bytes, set[bytes]]]:
        """By tree, and by directory in it."""
        expected: dict[bytes, dict[bytes, set[bytes]]] = {top: {} for top in self._building}
        for folder, top in self._places.values():
            if top is not None:
                root = self._hidden(top)
                expected[top].setdefault(folder, set())
                while folder != root:
                    folder, _, name = folder.rpartition(b"/")
                    expected[top].setdefault(folder, set()).add(name)
        for place, name in staged:
            if place.top is not None:
                expected[place.top][place.folder].add(name)
        return expected

    def _holds(self, folder: bytes, names: set[bytes]) -> bool:
        directory_fd = self._folders.get(folder, None)
        return set(map(os.fsencode, os.listdir(directory_fd))) == names

    def _hidden(self, top: bytes) -> bytes:
        tree = self._building[top]
        return tree.above + b"/" + tree.hidden if tree.above else tree.hidden

    def remove(self) -> None:
        """What was not published. What can't be removed is left to the janitor."""
        for top, tree in list(self._building.items()):
            with suppress(OSError, StorageError):
                remove_tree(self._folders.get(tree.above, None), tree.hidden)
            self._end(top)

    def _find(self, folder: bytes, installation: str, mode: int) -> Place:
        top = self._missing(folder)
        if top is None:
            return Place(folder, None)
        tree = self._building.get(top) or self._begin(top, installation, mode)
        if tree is None:
            return Place(folder, None)
        hidden = self._hidden(top) + folder[len(top) :]
        self._folders.get(hidden, mode)
        self._folders.changed(hidden)
        return Place(hidden, top)

    def _missing(self, folder: bytes) -> bytes | None:
        """The topmost directory on the way to `folder` that does not exist or is being built."""
        if self._exists(folder):
            return None
        top = b""
        for part in folder.split(b"/"):
            top = top + b"/" + part if top else part
            if top in self._building or not self._exists(top):
                return top
        return None

    def _exists(self, folder: bytes) -> bool:
        """Also true where something else is in the way: whoever works there says what."""
        try:
            os.close(open_beneath(self._root, folder, READ_DIRECTORY))
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def _begin(self, top: bytes, installation: str, mode: int) -> _Tree | None:
        """None where the tree would not become what a directory made in place would be, or not be safe."""
        if len(self._building) >= MOST_TREES:
            return None
        above, _, name = top.rpartition(b"/")
        directory = self._folders.get(above, mode)
        hidden = PartialId.of_directory(installation, top, secrets.randbits(63)).name
        try:
            system.mkdir(hidden, mode, dir_fd=directory)
            lock = -1 if folds_case(directory, hidden) else lock_tree(directory, hidden)
            if lock < 0:
                system.rmdir(hidden, dir_fd=directory)
                return None
        except FileNotFoundError:  # taken for a dead one before it was locked
            return None
        except OSError as error:
            raise failure(error, top) from error
        self._folders.changed(above)
        self._building[top] = _Tree(above, name, hidden, lock)
        return self._building[top]

    def _end(self, top: bytes) -> None:
        os.close(self._building.pop(top).lock)
        self._places = {folder: place for folder, place in self._places.items() if place.top != top}
