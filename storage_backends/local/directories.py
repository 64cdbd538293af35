"""Directories of the sink: opening one for writing, making what is missing on the way."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from storage_backends.errors import KindConflict, PreconditionFailed, StorageError
from storage_backends.local import system
from storage_backends.local.attributes import ensure_owner_bits
from storage_backends.local.beneath import HANDLE, READ_DIRECTORY, explain, open_beneath
from storage_backends.local.failures import failure, show

PRIVATE = 0o700
"""The mode of a directory made on the way, until the job gives it its own."""


def open_for_writing(root: int, path: bytes, made: list[bytes], mode: int | None = PRIVATE) -> int:
    """The directory `path` below `root`, made with `mode` where it is missing, and writable if it is ours.

    With None for a mode nothing is made: NotFound where it is missing, for those who only want to clean up.
    Appends to `made` each directory that got a new entry; raises StorageError. A directory that is ours but lost its
    permission (0555 copied from the source) is given u+rwx; the directory pass restores its mode at the end.
    """
    try:
        fd = open_beneath(root, path, READ_DIRECTORY)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES):
            raise explain(error, root, path) from error
        return _make_and_open(root, path, made, mode)
    try:
        _unlock(fd)
    except OSError as error:
        os.close(fd)
        raise failure(error, path) from error
    return fd


def _unlock(fd: int) -> None:
    if os.geteuid() != 0:
        ensure_owner_bits(fd, PRIVATE)


def _make_and_open(root: int, path: bytes, made: list[bytes], mode: int | None) -> int:
    parent, seen = os.dup(root), b""
    try:
        _unlock(root)
        for part in path.split(b"/") if path else ():
            child, is_new = _enter(parent, part, mode)
            os.close(parent)
            parent = child
            if is_new:
                made.append(seen)
            seen = seen + b"/" + part if seen else part
        return system.open(b".", READ_DIRECTORY, dir_fd=parent)
    except OSError as error:
        raise explain(error, root, path) from error
    finally:
        os.close(parent)


def make_below(directory: int, names: bytes, made: list[bytes], mode: int) -> int:
    """A descriptor of the directory `names` below an open one, made with what is missing on the way. Appends to `made`
    each directory on it that got a new entry (empty: the open one). Raises OSError."""
    fd, seen = os.dup(directory), b""
    try:
        for name in names.split(b"/"):
            with suppress(FileExistsError):
                system.mkdir(name, mode, dir_fd=fd)
                made.append(seen)
            child = system.open(name, READ_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd, seen = child, seen + b"/" + name if seen else name
    except BaseException:
        os.close(fd)
        raise
    return fd


def _enter(parent: int, name: bytes, mode: int | None) -> tuple[int, bool]:
    """A handle of the directory `name`, with our own permissions restored, and whether it was made just now."""
    is_new = False
    try:
        handle = system.open(name, HANDLE | os.O_DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if mode is None:
            raise
        with suppress(FileExistsError):  # another worker made it in the same moment, and may not have synced it yet
            system.mkdir(name, mode, dir_fd=parent)
        is_new = True
        handle = system.open(name, HANDLE | os.O_DIRECTORY, dir_fd=parent)
    _unlock(handle)
    return handle, is_new


def moved_away(root: int, path: bytes, identity: tuple[int, int]) -> StorageError | None:
    """Why `path` below `root` no longer leads to the directory of that device and inode; None while it does."""
    try:
        fd = open_beneath(root, path, HANDLE | os.O_DIRECTORY)
    except OSError as error:
        return explain(error, root, path)
    try:
        found = identity_of(fd)
    finally:
        os.close(fd)
    if found == identity:
        return None
    return PreconditionFailed(f"{show(path)} was moved away while files were written into it; they are copied again")


def identity_of(fd: int) -> tuple[int, int]:
    """Device and inode."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def sync_directory(root: int, path: bytes) -> None:
    """The entries of the directory `path` are durable when this returns; raises StorageError."""
    try:
        fd = open_beneath(root, path, READ_DIRECTORY)
        try:
            system.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise explain(error, root, path) from error


def refuse_directory(directory: int, name: bytes, path: bytes) -> None:
    """Raises KindConflict when a directory already stands at `name`, before any byte is sent in vain."""
    try:
        status = system.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failure(error, path) from error
    if stat.S_ISDIR(status.st_mode):
        raise KindConflict(f"{show(path)} is a directory at the sink and a file at the source; move it away")
