"""New directories: each is built under a partial's name with all that goes into it, and gets its own name at the end.

One rename instead of one for every file, and every file is written under the name that it will have::

    stage      .syncf-<installation>-<digest>-<number>.part/deep/name
    publish    rename(.syncf-….part, directory), only if there is no such directory yet

Where another worker was first with it, its files are moved there one by one (`naming`). The fences are those of
every partial: whoever takes a task over removes its file from the trees of older attempts, so that they have nothing of
it to publish. Nobody takes anything out of a tree while it gets its name, nor the other way round: a zombie would take
what has been published. Who builds keeps a byte of the root locked, that of the same number; trees whose byte nobody
holds are left of a dead attempt, and removed whole.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from storage_backends.base import PartialId
from storage_backends.errors import KindConflict, NotFound, StorageError
from storage_backends.local import system
from storage_backends.local.beneath import READ_DIRECTORY, open_beneath
from storage_backends.local.contents import Contents
from storage_backends.local.failures import failure, show
from storage_backends.local.folders import Folders
from storage_backends.local.remains import hold, lock, remove_tree
from storage_backends.local.spelling import folds_case


class Place(NamedTuple):
    """Where the files of a directory are staged."""

    folder: bytes
    top: bytes | None
    """The new directory that this is a part of, by its own name; None: it is an existing one."""
    mode: int
    """Of directories that are made on the way to these files."""


class _Tree(NamedTuple):
    above: bytes
    name: bytes
    hidden: bytes


class Trees:
    """Those that one batch builds, by the names that they will have. Raises StorageError for what it is asked."""

    def __init__(self, root: int, folders: Folders) -> None:
        self._root, self._folders = root, folders
        self._building: dict[bytes, _Tree] = {}
        self._places: dict[bytes, Place] = {}
        self._standing: set[bytes] = set()
        """Directories that were there when they were looked for."""
        self._folding: dict[bytes, bool] = {}
        self._number, self._lock = secrets.randbits(62), -1
        self._is_possible = True

    def place(self, folder: bytes, installation: str, mode: int) -> Place:
        """Files of `folder` go there if it exists; else where the tree is built that it belongs to."""
        found = self._places.get(folder)
        if found is None:
            found = self._places[folder] = self._find(folder, installation, mode)
        return found

    def publish(self, staged: Iterable[tuple[Place, bytes]]) -> dict[bytes, bytes]:
        """Give the trees their names, or what they hold where somebody else has made such a directory. Returns the
        places that have real names now, each with the directory that got a new entry by it. One that holds anything
        else than these names is left."""
        contents = self._contents(staged)
        published: dict[bytes, bytes] = {}
        for top, hidden in [(top, self._hidden(top)) for top in self._building]:
            if hidden in contents:
                with suppress(OSError, StorageError):  # its files are moved one by one, and each says what is wrong
                    self._publish(hidden, top, contents, published)
        self._building = {top: tree for top, tree in self._building.items() if self._hidden(top) not in published}
        self._places = {folder: place for folder, place in self._places.items() if place.folder not in published}
        return published

    def _publish(self, hidden: bytes, real: bytes, contents: Contents, published: dict[bytes, bytes]) -> None:
        held = hold(self._folders.get(hidden, None))
        try:
            if contents.is_whole(hidden, self._folders):
                self._give_names(hidden, real, contents, published)
        finally:
            os.close(held)

    def _give_names(self, hidden: bytes, real: bytes, contents: Contents, published: dict[bytes, bytes]) -> None:
        waiting = [(hidden, real)]
        while waiting:
            hidden, real = waiting.pop()
            try:
                self._give_name(hidden, real)
                published |= dict.fromkeys(contents.below(hidden), real.rpartition(b"/")[0])
            except FileExistsError:
                waiting += [(hidden + b"/" + name, real + b"/" + name) for name in contents[hidden].folders]
            except (OSError, StorageError):
                continue

    def _give_name(self, hidden: bytes, real: bytes) -> None:
        (from_folder, _, old), (to_folder, _, new) = hidden.rpartition(b"/"), real.rpartition(b"/")
        tree = os.dup(self._folders.get(from_folder, None))
        try:
            target = self._folders.get(to_folder, None)
            system.rename_new(old, new, dir_fd=tree, target_fd=target)
        finally:
            os.close(tree)
        self._folders.changed(to_folder)

    def _contents(self, staged: Iterable[tuple[Place, bytes]]) -> Contents:
        """What each directory that was made here has to hold."""
        contents = Contents()
        for folder, top, _ in self._places.values():
            if top is not None:
                contents.add(folder, self._hidden(top))
        for place, name in staged:
            if place.top is not None:
                contents[place.folder].names.add(name)
        return contents

    def _hidden(self, top: bytes) -> bytes:
        tree = self._building[top]
        return tree.above + b"/" + tree.hidden if tree.above else tree.hidden

    def remove(self) -> None:
        """What was not published. What can't be removed at the second try is left to the janitor."""
        for _ in range(2):
            for top in list(self._building):
                with suppress(OSError, StorageError):  # of one; the others are removed all the same
                    self._remove(top)
        self._building, self._places = {}, {}
        self._close_lock()

    def _remove(self, top: bytes) -> None:
        tree = self._building[top]
        with suppress(FileNotFoundError, NotFound):
            remove_tree(self._folders.get(tree.above, None), tree.hidden)
        del self._building[top]

    def _close_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _find(self, folder: bytes, installation: str, mode: int) -> Place:
        top = self._missing(folder)
        if top is None:
            return Place(folder, None, mode)
        tree = self._building.get(top) or self._begin(top, installation, mode)
        if tree is None:
            return Place(folder, None, mode)
        hidden = self._hidden(top) + folder[len(top) :]
        try:
            self._folders.make(tree.above, tree.hidden + folder[len(top) :], mode)
        except KindConflict as error:  # the hidden name tells nobody anything
            raise KindConflict(f"{show(folder)}, or what it lies in, is a file at the source as well") from error
        self._folders.changed(hidden)
        return Place(hidden, top, mode)

    def _missing(self, folder: bytes) -> bytes | None:
        """The topmost directory on the way to `folder` that does not exist, or is being built."""
        top = None
        while folder and not self._exists(folder):
            top, folder = folder, folder.rpartition(b"/")[0]
        return top

    def _exists(self, folder: bytes) -> bool:
        """Also true where something else is in the way: whoever works there says what."""
        known = self._places.get(folder)
        if known is not None:
            return known.top is None
        if folder not in self._standing:
            try:
                os.close(open_beneath(self._root, folder, READ_DIRECTORY))
            except FileNotFoundError:
                return False
            except OSError:
                return True
            self._standing.add(folder)
        return True

    def _begin(self, top: bytes, installation: str, mode: int) -> _Tree | None:
        """None where the tree would not become what a directory made in place would be, or not be safe."""
        above, _, name = top.rpartition(b"/")
        directory = self._folders.get(above, mode)
        hidden = PartialId.of_directory(installation, top, self._number).name
        if not self._is_locked():
            return None
        try:
            system.mkdir(hidden, mode, dir_fd=directory)
            if self._folds_case(above, directory, hidden) or not self._is_holdable(directory, hidden):
                system.rmdir(hidden, dir_fd=directory)
                return None
        except OSError as error:
            raise failure(error, top) from error
        self._folders.changed(above)
        self._building[top] = _Tree(above, name, hidden)
        return self._building[top]

    def _is_locked(self) -> bool:
        """Asked before anything is built."""
        if self._lock < 0 and self._is_possible:
            with suppress(OSError):  # then nothing is built, and who makes directories in place says what is wrong
                self._lock = lock(self._root, self._number)
            self._is_possible = self._lock >= 0
        return self._lock >= 0

    def _is_holdable(self, directory: int, hidden: bytes) -> bool:
        """Asked of the first one: over NFS files have locks and directories have none."""
        if not self._building and self._is_possible:
            fd = system.open(hidden, READ_DIRECTORY, dir_fd=directory)
            try:
                os.close(hold(fd))
            except OSError:
                self._is_possible = False
                self._close_lock()
            finally:
                os.close(fd)
        return self._is_possible

    def _folds_case(self, above: bytes, directory: int, hidden: bytes) -> bool:
        """Asked once for each directory in which trees are built."""
        if above not in self._folding:
            self._folding[above] = folds_case(directory, hidden)
        return self._folding[above]
