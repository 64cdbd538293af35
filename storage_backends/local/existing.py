"""A file or link that stands at the sink already: its attributes, and making it durable.

What takes its place meanwhile is given none.
"""

from __future__ import annotations

import errno
import os
import stat

from storage_backends.base import Attributes, FileInfo
from storage_backends.errors import PreconditionFailed, VersionChanged
from storage_backends.local import system
from storage_backends.local.attributes import describe, give, give_link, open_own
from storage_backends.local.beneath import HANDLE
from storage_backends.local.failures import show

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def give_existing(directory: int, name: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
    """See `Storage.set_attributes`; `name` is looked up in `directory`. Raises OSError too."""
    handle = system.open(name, HANDLE, dir_fd=directory)  # while it is open, its inode number is nobody else's
    try:
        before = system.fstat(handle)
        _check_before(before, expected)
        if stat.S_ISLNK(before.st_mode):
            give_link(directory, name, attributes)
            after = system.fstat(handle)
        else:
            after = _give_file(directory, name, attributes, before, expected.path)
        named = system.stat(name, dir_fd=directory, follow_symlinks=False)
    finally:
        os.close(handle)
    was_edited = attributes.mtime_ns is not None and after.st_mtime_ns > attributes.mtime_ns
    if was_edited or after.st_size != before.st_size or _inode(named) != _inode(before):
        raise _changed(expected.path)
    return describe(expected.path, after)


def _check_before(status: os.stat_result, expected: FileInfo) -> None:
    found = describe(expected.path, status)
    if (found.kind, found.size, found.mtime_ns, found.version) != expected[1:5]:
        raise _changed(expected.path)
    if status.st_nlink > 1:
        raise PreconditionFailed(f"{show(expected.path)} has {status.st_nlink} hard links, which share its attributes")


def _give_file(
    directory: int, name: bytes, attributes: Attributes, before: os.stat_result, path: bytes
) -> os.stat_result:
    fd = open_own(directory, name, _READ, 0o400)
    try:
        status = system.fstat(fd)
        if _content(status) != _content(before):  # not ctime: opening may have had to change its mode
            raise _changed(path)
        give(fd, attributes, status, None)
        return system.fstat(fd)
    finally:
        os.close(fd)


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _content(status: os.stat_result) -> tuple[int, int, int, int]:
    return *_inode(status), status.st_size, status.st_mtime_ns


def _changed(path: bytes) -> VersionChanged:
    return VersionChanged(f"{show(path)} was changed by somebody else before it got its attributes")


def sync_existing(directory: int, name: bytes) -> None:
    """What stands at `name`, and the name itself, are durable when this returns. Raises OSError."""
    _sync_content(directory, name)
    system.fsync(directory)


def _sync_content(directory: int, name: bytes) -> None:
    """A link has none beside its name. What its own mode forbids us to open takes a sync of the whole file system."""
    try:
        fd = system.open(name, _READ, dir_fd=directory)
    except PermissionError:
        system.syncfs(directory)
        return
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return
    try:
        system.fsync(fd)
    finally:
        os.close(fd)
