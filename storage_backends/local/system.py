"""The system calls of the local storage, in one place, so that tests can fail the third write, the rename or the fsync.

Each works on a descriptor, or on a single name below one (`dir_fd`); none of them ever sees a whole path.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
from struct import Struct

open = os.open
close = os.close
fstat = os.fstat
fstatvfs = os.fstatvfs
stat = os.stat
pread = os.pread
preadv = os.preadv
pwrite = os.pwrite
ftruncate = os.ftruncate
fdatasync = os.fdatasync
fsync = os.fsync
posix_fadvise = os.posix_fadvise
flock = fcntl.flock
fchown = os.fchown
fchmod = os.fchmod
utime = os.utime
chown = os.chown
mkdir = os.mkdir
rmdir = os.rmdir
symlink = os.symlink
readlink = os.readlink
rename = os.rename
unlink = os.unlink

_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1
_FLOCK = Struct("hhqqi4x")
"""struct flock: kind, whence, start, length, process."""


def rename_new(name: bytes, target: bytes, *, dir_fd: int, target_fd: int | None = None) -> None:
    """Rename, within a directory or into `target_fd`, where `target` means nothing yet, in one step with looking;
    FileExistsError, OSError.

    EINVAL or ENOSYS where the file system, or the C library, can't."""
    if not hasattr(_libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    to = dir_fd if target_fd is None else target_fd
    if _libc.renameat2(dir_fd, name, to, target, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def syncfs(fd: int) -> None:
    """Everything written to the file system of `fd` is durable when this returns; raises OSError like `os.fsync`."""
    if _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def lock_number(fd: int, number: int) -> None:
    """Show with a lock on a byte of that number that somebody lives, until `fd` is closed: of a directory too, of which
    nothing changes. Raises OSError, also where there are no such locks."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_RDLCK, number))


def is_number_locked(fd: int, number: int) -> bool:
    """Whether somebody does, over another descriptor; raises OSError."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, number))
    return int(_FLOCK.unpack(answer)[0]) != fcntl.F_UNLCK


def _flock(kind: int, number: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, number, 1, 0)


def free_bytes(fd: int) -> int:
    """What this process may still write to the file system of `fd`; raises OSError."""
    found = fstatvfs(fd)
    return found.f_frsize * (found.f_bavail if os.geteuid() else found.f_bfree)


@functools.cache
def has_group_commit() -> bool:
    """Whether `syncfs` reports write errors, which Linux does from 5.8 on. Elsewhere each file is synced by itself."""
    if not hasattr(_libc, "syncfs"):
        return False
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 8)


def chmod_handle(handle: int, mode: int) -> None:
    """chmod what an O_PATH descriptor stands for, which `fchmod` refuses. The kernel's link is no path of the tree."""
    os.chmod(b"/proc/self/fd/%d" % handle, mode)


@functools.cache
def umask() -> int:
    """This process's umask. Asking sets it, so the value in between is the strictest."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
