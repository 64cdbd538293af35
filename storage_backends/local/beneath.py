"""Opening names below a directory in a way that nothing leads out of it, whatever is swapped meanwhile.

`openat2(BENEATH | NO_MAGICLINKS | NO_SYMLINKS)` lets the kernel hold the line. Where it is missing (Linux < 5.6, old
container filters) or the path is longer than PATH_MAX, the path is walked component by component with O_NOFOLLOW.
Paths here are canonical and relative, without a last slash; ``b""`` is the directory itself.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat

from storage_backends.base import check_path
from storage_backends.errors import KindConflict, StorageError, SymlinkRefused
from storage_backends.local import system
from storage_backends.local.failures import failure, show

READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Stands for a name without opening it; needs no permission on the thing itself."""

ODD_NAMES = (b"", b".", b"..")
"""Not names in a directory, but other words for one."""
_ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC
_SYS_OPENAT2 = 437
_RESOLVE = 0x02 | 0x04 | 0x08  # NO_MAGICLINKS | NO_SYMLINKS | BENEATH
_PATH_MAX = 4096
_TRIES = 32


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_HOW_BYTES = ctypes.sizeof(_OpenHow)


@functools.cache
def _how(flags: int) -> tuple[_OpenHow, int]:
    how = _OpenHow(flags, 0, _RESOLVE)
    return how, ctypes.addressof(how)


def _openat2(directory: int, path: bytes, flags: int) -> int:
    """The descriptor, or minus the errno."""
    address = _how(flags)[1]
    number = 0
    for _ in range(_TRIES):  # EAGAIN: something on the way was renamed at this very moment
        fd: int = _syscall(_SYS_OPENAT2, directory, path, address, _HOW_BYTES)
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    return -number


@functools.cache
def has_openat2() -> bool:
    """Whether this kernel (and the container's filter) knows openat2."""
    fd = _openat2(-100, b".", os.O_PATH | os.O_DIRECTORY | _ALWAYS)  # -100: AT_FDCWD
    if fd < 0:
        return False
    os.close(fd)
    return True


def open_beneath(root: int, path: bytes, flags: int) -> int:
    """Open what exists at `path` below the directory `root`; raises OSError, ELOOP or ENOTDIR for a symbolic link."""
    if not path:
        return system.open(b".", flags | _ALWAYS, dir_fd=root)
    if len(path) < _PATH_MAX and has_openat2():
        fd = _openat2(root, path, flags | _ALWAYS)
        if fd >= 0:
            return fd
        if fd not in (-errno.EAGAIN, -errno.EINTR):
            raise OSError(-fd, os.strerror(-fd))
    return _walk(root, path, flags | _ALWAYS)


def _walk(root: int, path: bytes, flags: int) -> int:
    directory, _, name = path.rpartition(b"/")
    parent = os.dup(root)
    try:
        for part in directory.split(b"/") if directory else ():
            child = system.open(part, HANDLE | os.O_DIRECTORY, dir_fd=parent)
            os.close(parent)
            parent = child
        return system.open(name, flags, dir_fd=parent)
    finally:
        os.close(parent)


def split_path(path: bytes) -> tuple[bytes, bytes]:
    """Folder (``b""`` for the root) and name; raises BadPath."""
    *folder, name = check_path(path)
    return b"/".join(folder), name


def open_directory(root: int, path: bytes) -> int:
    """A directory, for listing, for fsync and as `dir_fd`; raises StorageError."""
    try:
        return open_beneath(root, path, READ_DIRECTORY)
    except OSError as error:
        raise explain(error, root, path) from error


def explain(error: OSError, root: int, path: bytes) -> StorageError:
    """Like `failure`, but for a path below `root`: names the component that is a link or no directory."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return _blocking_component(root, path) or failure(error, path)
    return failure(error, path)


def _blocking_component(root: int, path: bytes) -> StorageError | None:
    parent = os.dup(root)
    try:
        seen = b""
        for part in path.split(b"/"):
            seen = seen + b"/" + part if seen else part
            child = system.open(part, HANDLE, dir_fd=parent)
            os.close(parent)
            parent = child
            mode = os.fstat(child).st_mode
            if stat.S_ISLNK(mode):
                return SymlinkRefused(f"{show(seen)} is a symbolic link and never followed; put a directory there")
            if not stat.S_ISDIR(mode):
                return KindConflict(f"{show(seen)} is not a directory")
    except OSError:
        return None  # it changed again: the first error has to do
    finally:
        os.close(parent)
    return None
