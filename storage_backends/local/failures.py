"""From errno to `StorageError`: one table, one form of message."""

from __future__ import annotations

import errno
import os

from storage_backends import errors
from storage_backends.errors import StorageError
from storage_backends.names import display_path

_TABLE: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOENT: (errors.NotFound, "there is no such name"),
    errno.ENOSPC: (errors.NoSpace, "the file system is full; free some space"),
    errno.EDQUOT: (errors.QuotaExceeded, "the quota is used up; raise it or free some space"),
    errno.EROFS: (errors.ReadOnly, "the file system is mounted read-only; remount it writable"),
    errno.EACCES: (errors.PermissionDenied, "user {user} may not do this; check mode and owner, also of the parents"),
    errno.EPERM: (errors.PermissionDenied, "user {user} may not do this; check owner and flags (lsattr)"),
    errno.EIO: (errors.InputOutputError, "the device reported an error; check it (dmesg)"),
    errno.ENAMETOOLONG: (errors.NameTooLong, "the name is too long for this file system"),
    errno.EILSEQ: (errors.BadPath, "this file system does not take such a name; rename it at the source"),
    errno.EXDEV: (errors.BadPath, "the name leads out of the root"),
    errno.ELOOP: (errors.SymlinkRefused, "a symbolic link is on the way; SyncF never follows one"),
    errno.ENOTDIR: (errors.KindConflict, "something else stands where a directory belongs; move it away"),
    errno.EISDIR: (errors.KindConflict, "a directory stands where a file belongs; move it away"),
    errno.EEXIST: (errors.KindConflict, "something else already stands there; move it away"),
    errno.ENOTEMPTY: (errors.KindConflict, "a directory stands there and is not empty; move it away"),
    errno.ENXIO: (errors.NotRegular, "it is not a regular file"),
    errno.EFBIG: (errors.FileTooBig, "the file is larger than this file system or ulimit -f allows"),
    errno.ESTALE: (errors.Unreachable, "the file server forgot it; check the mount"),
    errno.ENOTCONN: (errors.Unreachable, "the file server is gone; check the mount"),
    errno.ETIMEDOUT: (errors.Unreachable, "the file server does not answer; check the network"),
    errno.EHOSTDOWN: (errors.Unreachable, "the file server is down"),
    errno.EHOSTUNREACH: (errors.Unreachable, "the file server cannot be reached; check the network"),
    errno.EMFILE: (errors.Unreachable, "too many open files; raise the limit (ulimit -n)"),
    errno.ENFILE: (errors.Unreachable, "the machine has too many open files"),
    errno.ENOMEM: (errors.Unreachable, "the machine is out of memory"),
}


def failure(error: OSError, path: bytes) -> StorageError:
    """What `error` means for `path`; raise it `from error`."""
    kind, advice = _TABLE.get(error.errno or 0, (StorageError, error.strerror or "unknown error"))
    name = errno.errorcode.get(error.errno or 0, "OSError")
    return kind(f"{name} at {show(path)}: {advice.format(user=os.geteuid())}")


def show(path: bytes) -> str:
    """`path` for a message."""
    return f"'{display_path(path)}'" if path else "the root"
