"""One small file or link, made in an open directory under the name that it is staged by."""

from __future__ import annotations

import os
from contextlib import suppress

from storage_backends.errors import ChecksumMismatch, InputOutputError, NameCollision, StorageError
from storage_backends.local import partials, system
from storage_backends.local.directories import refuse_directory
from storage_backends.local.failures import failure, show


def create(directory: int, name: bytes, mode: int, *, is_alone: bool) -> int:
    """`is_alone`: what has this name already was left by this very epoch. Raises OSError."""
    try:
        return system.open(name, partials.CREATE, mode, dir_fd=directory)
    except FileExistsError:
        if not is_alone:
            raise
        partials.remove(directory, name)
        return system.open(name, partials.CREATE, mode, dir_fd=directory)


def create_link(directory: int, name: bytes, target: bytes, *, is_alone: bool) -> None:
    """As `create`."""
    if is_alone:
        partials.remove(directory, name)
    system.symlink(target, name, dir_fd=directory)


def not_created(error: OSError, directory: int, path: bytes, *, is_alone: bool) -> StorageError:
    """What the error of either means. Or raises KindConflict."""
    if not is_alone and isinstance(error, FileExistsError):
        refuse_directory(directory, path.rpartition(b"/")[2], path)
        return NameCollision(f"{show(path)} and another are the same name for this file system; rename one of them")
    return failure(error, path)


def fill(fd: int, data: bytes, path: bytes) -> None:
    """Write `data`, read it back on the same descriptor, compare. Raises OSError, StorageError."""
    done = system.pwrite(fd, data, 0)
    while done < len(data):
        count = system.pwrite(fd, data[done:], done)
        if count == 0:
            raise InputOutputError(f"the device took no byte of {show(path)}; check it (dmesg)")
        done += count
    if system.pread(fd, len(data) + 1, 0) != data:
        raise ChecksumMismatch(f"{show(path)} reads back differently from what was written")


def drop(directory: int, name: bytes, fd: int = -1) -> None:
    """Clean up after an error, which is the one to tell; what can't be removed is left to the janitor."""
    with suppress(OSError):
        if fd >= 0:
            os.close(fd)
    with suppress(OSError):
        partials.remove(directory, name)
