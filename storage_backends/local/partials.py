"""Partials: hidden files beside their target, `.syncf-<installation>-<digest>-<epoch>.part`, and who may write them.

Two fences, and corruption was measured with either one missing:

* **The epoch in the name.** Whoever takes over renames the partial to its own, younger name *before* it opens it, and
  removes older ones. A zombie of an older epoch that wakes up inside its commit finds nothing to rename.
* **flock on the inode.** A zombie may still hold the inode open and write into it. While it does, nobody else gets the
  lock, hence nobody else's bytes can be mixed with its own. Only after the lock is held it is checked that the name
  still means this inode: between our open and our lock a younger owner may have come and gone.

A partial is never touched by an owner of an older epoch, because its name is made of the younger one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from storage_backends.base import PARTIAL_SUFFIX, PartialId
from storage_backends.errors import PartialBusy
from storage_backends.local import system
from storage_backends.local.attributes import open_own
from storage_backends.local.failures import show

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_REOPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_NOT_A_FILE = (errno.ELOOP, errno.ENXIO)
LOOKUPS = 64
"""Up to this many older epochs are tried by name (1 µs each); beyond, the directory is listed (ms when it is large)."""


def create(folder_fd: int, partial: PartialId) -> int:
    """A new partial in a new inode, 0600 and locked, in the place of whatever had this very name; raises OSError."""
    discard_older(folder_fd, partial)
    try:
        fd = system.open(partial.name, CREATE, 0o600, dir_fd=folder_fd)
    except FileExistsError:  # of this very epoch, or just taken over from a zombie that still holds the old inode
        remove(folder_fd, partial.name)
        fd = system.open(partial.name, CREATE, 0o600, dir_fd=folder_fd)
    _lock_or_close(fd, partial.name)
    if not is_sole(fd, folder_fd, partial.name):  # a younger owner came between our open and our lock
        os.close(fd)
        raise PartialBusy(f"a younger attempt took {show(partial.name)} over")
    return fd


def take_over(folder_fd: int, partial: PartialId) -> int | None:
    """The partial this epoch or an older one left, under this epoch's name, opened and locked; None if there is none.

    Raises PartialBusy while another process holds it or when another one began it anew meanwhile, OSError. One that
    can't be trusted to be ours alone (another hard link, no locks on this file system) is removed and counts as none.
    """
    if not _exists(folder_fd, partial.name):
        _claim_older(folder_fd, partial)
    discard_older(folder_fd, partial)
    fd = _reopen_file(folder_fd, partial.name)
    if fd is None or (_lock_or_close(fd, partial.name) and is_sole(fd, folder_fd, partial.name)):
        return fd
    try:
        if is_named(fd, folder_fd, partial.name):
            remove(folder_fd, partial.name)
        elif _exists(folder_fd, partial.name):
            raise PartialBusy(f"another attempt began {show(partial.name)} anew")
    finally:
        os.close(fd)
    return None


class Listing:
    """The partials of a directory, listed once and only when somebody asks.

    One that appears later is of no concern to whoever asked after its own claim: it is made by an attempt whose fence
    is still to come, and will say no.
    """

    def __init__(self) -> None:
        self._epochs: dict[bytes, list[int]] | None = None

    def epochs(self, folder_fd: int, stem: bytes) -> list[int]:
        """The epochs of the partials whose names begin with `stem`; raises OSError."""
        if self._epochs is None:
            self._epochs = {}
            for name in map(os.fsencode, os.listdir(folder_fd)):
                found, dash, digits = name.removesuffix(PARTIAL_SUFFIX).rpartition(b"-")
                if PartialId.is_reserved(name) and digits.isdigit():
                    self._epochs.setdefault(found + dash, []).append(int(digits))
        return self._epochs.get(stem, [])


def discard_older(folder_fd: int, partial: PartialId, listing: Listing | None = None) -> int:
    """Remove what older epochs left, locked or not: its owner loses the name it wants to rename. Returns how many."""
    return sum(remove(folder_fd, name) for name in older_names(folder_fd, partial, listing))


def older_names(folder_fd: int, partial: PartialId, listing: Listing | None = None) -> list[bytes]:
    """Names that partials of older epochs have, or would have, newest first. The first epoch is 1."""
    if partial.epoch <= LOOKUPS:
        epochs = list(range(partial.epoch - 1, 0, -1))
    else:
        listed = (listing or Listing()).epochs(folder_fd, partial.stem)
        epochs = sorted((epoch for epoch in listed if 0 < epoch < partial.epoch), reverse=True)
    return [b"%s%d%s" % (partial.stem, epoch, PARTIAL_SUFFIX) for epoch in epochs]


def remove(folder_fd: int, name: bytes) -> bool:
    """Unlink `name`; False if it is not there."""
    try:
        system.unlink(name, dir_fd=folder_fd)
    except FileNotFoundError:
        return False
    return True


def is_sole(fd: int, folder_fd: int, name: bytes) -> bool:
    """Whether `fd` is a regular file with one name, and `name` is that name."""
    status = system.fstat(fd)
    return is_named(fd, folder_fd, name) and stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def is_named(fd: int, folder_fd: int, name: bytes) -> bool:
    """Whether `name` stands for the inode of `fd`."""
    status = system.fstat(fd)
    try:
        named = system.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == (named.st_dev, named.st_ino)


def lock(fd: int, name: bytes, how: int = fcntl.LOCK_EX) -> bool:
    """Take the lock of a partial; False where the file system has no locks. Raises PartialBusy, OSError."""
    try:
        system.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            raise PartialBusy(f"another process still holds {show(name)}; it is tried again later") from error
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _lock_or_close(fd: int, name: bytes) -> bool:
    try:
        return lock(fd, name)
    except BaseException:
        os.close(fd)
        raise


def _claim_older(folder_fd: int, partial: PartialId) -> None:
    """Give the newest older partial our name. One that vanishes meanwhile went to a younger owner or was published."""
    for name in older_names(folder_fd, partial):
        try:
            system.rename(name, partial.name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except FileNotFoundError:
            continue
        return


def _reopen_file(folder_fd: int, name: bytes) -> int | None:
    """None if there is none; what has the name and is no file is removed."""
    try:
        return _reopen(folder_fd, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _NOT_A_FILE:
            raise
        remove(folder_fd, name)
        return None


def _reopen(folder_fd: int, name: bytes) -> int:
    """Open an existing partial, whose mode may already be that of the finished file (0400)."""
    return open_own(folder_fd, name, _REOPEN, 0o600)


def remove_unless_busy(folder_fd: int, name: bytes) -> None:
    """Unlink a partial; raises PartialBusy if somebody is writing it. Missing is success."""
    try:
        fd = _reopen(folder_fd, name)
    except OSError:  # gone, a link, not ours: then it is no partial that somebody writes
        remove(folder_fd, name)
        return
    try:
        lock(fd, name)
        remove(folder_fd, name)
    finally:
        os.close(fd)


def _exists(folder_fd: int, name: bytes) -> bool:
    try:
        system.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
