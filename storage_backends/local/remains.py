"""What dead attempts left of the directories they were building (see `trees`), and removing it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from storage_backends.base import PARTIAL_SUFFIX, Kind, ListError, PartialId
from storage_backends.errors import (
    KindConflict,
    NotFound,
    PartialBusy,
    PreconditionFailed,
    StorageError,
    SymlinkRefused,
)
from storage_backends.local import partials, system
from storage_backends.local.beneath import HANDLE, READ_DIRECTORY, open_directory
from storage_backends.local.directories import identity_of, moved_away, open_for_writing
from storage_backends.local.failures import failure, show
from storage_backends.local.listing import walk

_ABSENT = (NotFound, KindConflict, SymlinkRefused)

class Remains:
    """Trees of other attempts below `root`, looked for once. Ask after the claim of what is asked about: a tree that
    appears later is that of an attempt whose fence is still to come, and will say no."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._listings: dict[bytes, partials.Listing] = {}
        self._held: dict[bytes, list[bytes]] = {}
        """The trees of a directory that somebody still builds, or may."""

    def discard(self, path: bytes, installation: str) -> int:
        """No tree of another attempt holds `path` when this returns: what is still built loses this file, what nobody
        holds is removed whole. Returns how many lost it. Raises StorageError."""
        top, count = b"", 0
        try:
            for part in path.split(b"/")[:-1]:
                top = _join(top, part)
                held = self._trees(top, installation)
                count += sum(self._take_out(tree, path[len(top) + 1 :]) for tree in held)
        except _ABSENT:  # and so is everything below
            return count
        except OSError as error:
            raise failure(error, path) from error
        return count

    def _trees(self, top: bytes, installation: str) -> list[bytes]:
        found = self._held.get(top)
        if found is None:
            found = self._held[top] = self._find(top, PartialId.of_directory(installation, top, 0).stem)
        return found

    def _find(self, top: bytes, stem: bytes) -> list[bytes]:
        above = top.rpartition(b"/")[0]
        directory = open_directory(self._root, above)
        try:
            numbers = self._listings.setdefault(above, partials.Listing()).epochs(directory, stem)
            names = [b"%s%d%s" % (stem, number, PARTIAL_SUFFIX) for number in numbers]
            return [_join(above, name) for name in names if not remove_dead_tree(self._root, directory, name)]
        finally:
            os.close(directory)

    def _take_out(self, tree: bytes, path: bytes) -> bool:
        """The directories are opened below the tree while it is kept: it can't get its name in between, so that what is
        removed is not what was published."""
        try:
            top = open_directory(self._root, tree)
        except _ABSENT:
            return False
        try:
            return self._is_kept(top, tree) and _remove_from(top, path)
        finally:
            os.close(top)

    def _is_kept(self, top: int, tree: bytes) -> bool:
        """Whether it still has its hidden name, and keeps it until `top` is closed. Raises StorageError, OSError."""
        partials.lock(top, tree.rpartition(b"/")[2], fcntl.LOCK_SH)
        error = moved_away(self._root, tree, identity_of(top))
        if error is not None and not isinstance(error, (*_ABSENT, PreconditionFailed)):
            raise error
        return error is None


def hold(tree: int) -> int:
    """A descriptor of the tree; until it is closed nobody takes anything out of it. Raises OSError, also while somebody
    does and where there are no locks."""
    fd = system.open(b".", READ_DIRECTORY, dir_fd=tree)
    try:
        system.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def lock(root: int, number: int) -> int:
    """A descriptor that shows, until it is closed, that the trees of this number are being built. Raises OSError, also
    where there are no such locks."""
    fd = system.open(b".", READ_DIRECTORY, dir_fd=root)
    try:
        system.lock_number(fd, number)
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove_dead_tree(root: int, directory: int, name: bytes) -> bool:
    """Whether the tree `name` in `directory` is gone; not while somebody may build it. Raises OSError, StorageError."""
    partial = PartialId.parse(name)
    if partial is None or system.is_number_locked(root, partial.epoch):
        return False
    with suppress(FileNotFoundError, NotFound):  # it was published, or somebody else removes it too
        remove_tree(directory, name)
    return True


def remove_tree(directory: int, name: bytes) -> None:
    """With all that is in it, whoever holds it, also if it lost its permissions, or what somebody put in its place.
    Raises OSError, StorageError."""
    try:
        root = open_for_writing(directory, name, [], None)
    except (KindConflict, SymlinkRefused):
        system.unlink(name, dir_fd=directory)
        return
    try:
        _empty(root)
    finally:
        os.close(root)
    system.rmdir(name, dir_fd=directory)


def _empty(root: int) -> None:
    folders = []
    for chunk in walk(root):
        for entry in chunk:
            if isinstance(entry, ListError):
                raise entry.error
            if entry.kind is Kind.DIRECTORY:
                folders.append(entry.path.rstrip(b"/"))
            else:
                _remove_below(root, entry.path)
    for folder in reversed(folders):  # those below come after those above
        _remove_below(root, folder, is_directory=True)


def _remove_from(tree: int, path: bytes) -> bool:
    folder, _, name = path.rpartition(b"/")
    try:
        directory = open_directory(tree, folder)
    except _ABSENT:
        return False
    try:
        return partials.remove(directory, name)
    finally:
        os.close(directory)


def _remove_below(root: int, path: bytes, *, is_directory: bool = False) -> None:
    folder, _, name = path.rpartition(b"/")
    directory = open_directory(root, folder)
    try:
        (system.rmdir if is_directory else system.unlink)(name, dir_fd=directory)
    finally:
        os.close(directory)


def remove_unless_busy(root: int, directory: int, path: bytes) -> bool:
    """Remove the tree at `path`, which lies in `directory`, if it is one (else false); raises PartialBusy while
    somebody builds it, OSError, StorageError."""
    name = path.rpartition(b"/")[2]
    try:
        os.close(system.open(name, HANDLE | os.O_DIRECTORY, dir_fd=directory))
    except NotADirectoryError:
        return False
    except FileNotFoundError:
        return True
    if _is_built_below(root, path) or not remove_dead_tree(root, directory, name):
        raise PartialBusy(f"another process still builds {show(name)}; it is tried again later")
    return True


def _is_built_below(root: int, path: bytes) -> bool:
    """Whether somebody may still build the tree at `path` for a sink that begins below `root`, as then its lock is."""
    folder, _, name = path.rpartition(b"/")
    partial = PartialId.parse(name)
    while folder and partial is not None:
        sink = open_directory(root, folder)
        try:
            if system.is_number_locked(sink, partial.epoch):
                return True
        finally:
            os.close(sink)
        folder = folder.rpartition(b"/")[0]
    return False


def held_bytes(root: int, path: bytes) -> int | None:
    """What the files of the tree at `path` take; None if it is no tree, is gone by now or can't be looked into."""
    try:
        directory = open_directory(root, path)
    except StorageError:
        return None
    try:
        return sum(entry.size for chunk in walk(directory) for entry in chunk if not isinstance(entry, ListError))
    finally:
        os.close(directory)


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
