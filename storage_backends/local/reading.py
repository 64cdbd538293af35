"""Reading: one file pinned to the version it had when it was opened, small files whole, links, single names."""

from __future__ import annotations

import errno
import os
import stat
from time import monotonic

from storage_backends.base import FileInfo, OpenFile, check_path
from storage_backends.errors import KindConflict, NotFound, NotRegular, StorageError, SymlinkRefused, VersionChanged
from storage_backends.local import system
from storage_backends.local.attributes import describe
from storage_backends.local.beneath import HANDLE, ODD_NAMES, explain, open_beneath, open_directory, split_path
from storage_backends.local.failures import failure, show

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC  # O_NONBLOCK: opening a FIFO must not hang
FOLDER_SECONDS = 0.1
"""For so long small files of one folder are opened below the same descriptor before its path is looked up again."""


def stat_beneath(root: int, path: bytes) -> os.stat_result:
    """The status of the name `path`, a link's own; raises StorageError (NotFound also below a file)."""
    directory, name = split_path(path)
    try:
        parent = open_directory(root, directory)
    except KindConflict as error:
        raise NotFound(str(error)) from error
    try:
        return system.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        raise failure(error, path) from error
    finally:
        os.close(parent)


def read_link(root: int, path: bytes) -> bytes:
    """The target of the link at `path`; raises NotRegular for anything else."""
    directory, name = split_path(path)
    parent = open_directory(root, directory)
    try:
        return system.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise NotRegular(f"{show(path)} is not a symbolic link (any more)") from error
        raise failure(error, path) from error
    finally:
        os.close(parent)


class Reader:
    """Opens files below `root` for reading, without touching their access time where that is allowed.

    Small files come folder by folder, so the folder of the last one stays open for a moment: an `openat` of one name,
    no link followed, below a directory that was found beneath the root. Somebody who moves that directory away in this
    moment gets what he would have got had he come a moment later.
    """

    def __init__(self, root: int) -> None:
        self.root = root
        self._flags = _READ | os.O_NOATIME
        self._folder, self._folder_fd, self._folder_until = b"", -1, 0.0

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        """Descriptor and status of the regular file at `path`; raises StorageError."""
        check_path(path)
        fd = self._open(path)
        status = system.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise NotRegular(f"{show(path)} is not a regular file (any more)")
        return fd, status

    def close(self) -> None:
        """Idempotent."""
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1

    def _open_small(self, path: bytes) -> int:
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder or self._folder_fd < 0 or monotonic() > self._folder_until:
            check_path(path)
            if not self._enter(folder):
                return self._open(path)
        if name in ODD_NAMES or not folder:
            check_path(path)
        try:
            return system.open(name, self._flags, dir_fd=self._folder_fd)
        except (OSError, ValueError):  # looked up from the root again, which knows what to say
            check_path(path)
            return self._open(path)

    def _enter(self, folder: bytes) -> bool:
        self.close()
        try:
            self._folder_fd = open_beneath(self.root, folder, HANDLE | os.O_DIRECTORY)
        except OSError:
            return False
        self._folder, self._folder_until = folder, monotonic() + FOLDER_SECONDS
        return True

    def _open(self, path: bytes) -> int:
        try:
            return open_beneath(self.root, path, self._flags)
        except OSError as error:
            if error.errno == errno.EPERM and self._flags != _READ:  # O_NOATIME is for owner and root
                self._flags = _READ
                return self._open(path)
            raise self._explain(error, path) from error

    def _explain(self, error: OSError, path: bytes) -> StorageError:
        cause = explain(error, self.root, path)
        if isinstance(cause, SymlinkRefused) and stat.S_ISLNK(self._mode(path)):
            return NotRegular(f"{show(path)} is a symbolic link, not a regular file (any more)")
        return NotFound(str(cause)) if isinstance(cause, KindConflict) else cause

    def _mode(self, path: bytes) -> int:
        try:
            return stat_beneath(self.root, path).st_mode
        except (NotFound, SymlinkRefused):
            return 0

    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        """See `Storage.read_whole`."""
        fd = self._open_small(path)
        try:
            status = system.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegular(f"{show(path)} is not a regular file (any more)")
            size = status.st_size
            data = system.pread(fd, size + 1, 0) if size <= max_bytes else b""
            if len(data) != size or _is_written(status, system.fstat(fd)):
                raise VersionChanged(f"{show(path)} changed while it was read")
        except OSError as error:
            raise failure(error, path) from error
        finally:
            os.close(fd)
        return describe(path, status), data


class LocalFile(OpenFile):
    """An open source file. Its version is device, inode, size, mtime and ctime; ctime can't be set back."""

    def __init__(self, root: int, path: bytes, fd: int, status: os.stat_result) -> None:
        self.info = describe(path, status)
        self._root, self._fd, self._status = root, fd, status

    def read_into(self, offset: int, buffer: memoryview) -> int:
        count = 0
        try:
            while count < len(buffer):
                got = system.preadv(self._fd, [buffer[count:]], offset + count)
                if got == 0:
                    break
                count += got
        except OSError as error:
            raise failure(error, self.info.path) from error
        return count

    def is_unchanged(self) -> bool:
        try:
            named = stat_beneath(self._root, self.info.path)
            return _pin(system.fstat(self._fd)) == _pin(self._status) == _pin(named)
        except (NotFound, SymlinkRefused):
            return False
        except OSError as error:
            raise failure(error, self.info.path) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _is_written(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether somebody has changed the file between two looks through one descriptor, which stays with its inode."""
    return (
        after.st_ctime_ns != before.st_ctime_ns
        or after.st_mtime_ns != before.st_mtime_ns
        or after.st_size != before.st_size
    )


def _pin(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
