"""One large file on its way into a partial, and the renaming that publishes it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from storage_backends.base import FileInfo, PartialId, UploadSession, UploadToken
from storage_backends.errors import InputOutputError, NoSpace, PreconditionFailed, StorageError, UploadGone
from storage_backends.local import partials, system
from storage_backends.local.attributes import describe, file_mode, give
from storage_backends.local.beneath import split_path
from storage_backends.local.directories import identity_of, moved_away
from storage_backends.local.failures import failure, show
from storage_backends.local.spelling import folds_case, give_name


def is_as_prepared(status: os.stat_result, token: UploadToken) -> bool:
    """A rename leaves all of this as it was; an edit does not."""
    found = {"inode": str(status.st_ino), "mtime_ns": str(status.st_mtime_ns)}
    return stat.S_ISREG(status.st_mode) and status.st_size == token.size and found == token.state


class LocalUpload(UploadSession):
    """Parts are written at their offsets; what is held is what the partial's length covers."""

    def __init__(self, root: int, directory: int, fd: int, token: UploadToken, partial: PartialId) -> None:
        self._root, self._directory, self._fd = root, directory, fd
        self._folder, self._name = split_path(token.path)
        self._partial = partial.name
        status = system.fstat(fd)
        self.token = token._replace(state={"inode": str(status.st_ino)})
        self._failed: StorageError | None = None
        self._is_begun = False
        self._resized(status.st_size)
        self.keep(token.part_count)

    def write_part(self, number: int, data: memoryview) -> None:
        self._check()
        if len(data) != self.token.part_length(number):
            raise ValueError(f"part {number} has {self.token.part_length(number)} bytes, not {len(data)}")
        offset = number * self.token.part_bytes
        done = 0
        try:
            self._must_fit()
            while done < len(data):
                count = system.pwrite(self._fd, data[done:], offset + done)
                if count == 0:
                    raise InputOutputError(f"the device took no byte of {show(self.token.path)}; check it (dmesg)")
                done += count
        except OSError as error:
            raise failure(error, self.token.path) from error
        finally:
            self._resized(max(self._size, offset + done))

    def _must_fit(self) -> None:
        """Asked before the first byte: a file that is too big would take the room of those that fit."""
        if self._is_begun:
            return
        needed, free = self.token.size - self._size, system.free_bytes(self._fd)
        if needed > free:
            raise NoSpace(f"{show(self.token.path)} needs {needed:,} bytes more, and {free:,} are free")
        self._is_begun = True

    def read_part(self, number: int, buffer: memoryview) -> int:
        length = min(len(buffer), self.token.part_length(number))
        offset = number * self.token.part_bytes
        done = 0
        try:
            while done < length:
                count = system.preadv(self._fd, [buffer[done:length]], offset + done)
                if count == 0:
                    break
                done += count
        except OSError as error:
            raise failure(error, self.token.path) from error
        return done

    def sync(self) -> None:
        self._check()
        written = self._size
        try:
            system.fdatasync(self._fd)
        except OSError as error:
            raise self._give_up(error) from error
        self._let_go_of_pages(written)

    def keep(self, parts: int) -> None:
        size = min(parts * self.token.part_bytes, self.token.size)
        if size >= self._size:
            return
        try:
            system.ftruncate(self._fd, size)
        except OSError as error:
            raise failure(error, self.token.path) from error
        self._resized(size)

    def drop_cache(self) -> None:
        self.sync()  # only clean pages can be dropped
        system.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def prepare(self, sha256: bytes) -> UploadToken:
        self._check()
        status = system.fstat(self._fd)
        if status.st_size != self.token.size:
            raise UploadGone(f"{show(self.token.path)} has {status.st_size} of {self.token.size} bytes at the sink")
        try:
            give(self._fd, self.token.attributes, status, file_mode())
        except OSError as error:
            raise failure(error, self.token.path) from error
        try:
            system.fsync(self._fd)
        except OSError as error:
            raise self._give_up(error) from error
        status = system.fstat(self._fd)
        self.token = self.token._replace(state={"inode": str(status.st_ino), "mtime_ns": str(status.st_mtime_ns)})
        return self.token

    def commit(self) -> FileInfo:
        self._check()
        try:
            if not partials.is_sole(self._fd, self._directory, self._partial):
                raise FileNotFoundError
            folds = folds_case(self._directory, self._partial)
            give_name(self._directory, self._partial, self._name, self.token.path, folds=folds)
            status = system.fstat(self._fd)  # at once: what is edited later is drift, and seen as such
            system.fsync(self._directory)
        except FileNotFoundError as error:
            raise UploadGone(f"the partial of {show(self.token.path)} went to a younger attempt") from error
        except OSError as error:
            raise failure(error, self.token.path) from error
        if not is_as_prepared(status, self.token):
            path = show(self.token.path)
            raise PreconditionFailed(f"{path} was changed by somebody else right after it was published")
        moved = moved_away(self._root, self._folder, identity_of(self._directory))
        if moved is not None:
            raise moved
        return describe(self.token.path, status)

    def abort(self) -> None:
        if self._directory < 0:
            return
        try:
            self._remove()
        except OSError as error:
            raise failure(error, self.token.path) from error
        finally:
            self.close()

    def close(self) -> None:
        for fd in (self._fd, self._directory):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory = -1

    def _let_go_of_pages(self, end: int) -> None:
        """What is durable leaves the page cache, so that a file of any size is written with the same few pages: new
        ones are dear (half of all CPU time on a virtual machine), and other programs keep theirs."""
        with suppress(OSError):  # an advice: the kernel drops nothing that is not written
            system.posix_fadvise(self._fd, 0, end, os.POSIX_FADV_DONTNEED)

    def _remove(self) -> None:
        """Take our name away, unless it means the inode of another attempt by now."""
        if partials.is_named(self._fd, self._directory, self._partial):
            partials.remove(self._directory, self._partial)

    def _resized(self, size: int) -> None:
        self._size = size
        is_whole = size >= self.token.size
        self.held_parts = range(self.token.part_count if is_whole else size // self.token.part_bytes)

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _give_up(self, error: OSError) -> StorageError:
        """After a failed fsync the kernel may call lost pages clean: nothing in this inode can be trusted any more."""
        self._failed = failure(error, self.token.path)
        try:
            self._remove()
        except OSError as second:
            self._failed.add_note(f"and the partial could not be removed: {second}")
        return self._failed
