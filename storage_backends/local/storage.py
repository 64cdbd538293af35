"""`LocalStorage`: files below a directory of this machine (or of a mount)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from storage_backends.base import (
    Attributes,
    Capabilities,
    Entry,
    FileInfo,
    OpenFile,
    PartialId,
    RootIdentity,
    Storage,
    UploadSession,
    UploadToken,
    WriteBatch,
    check_path,
)
from storage_backends.errors import KindConflict, NotFound, StorageError
from storage_backends.local import partials, remains, resuming, system
from storage_backends.local.attributes import describe, directory_mode
from storage_backends.local.batch import LocalBatch
from storage_backends.local.beneath import open_directory, split_path
from storage_backends.local.directories import open_for_writing, sync_directory
from storage_backends.local.directory_pass import write_directories
from storage_backends.local.existing import give_existing, sync_existing
from storage_backends.local.failures import failure, show
from storage_backends.local.identity import opened_identity, root_identity
from storage_backends.local.listing import walk
from storage_backends.local.reading import LocalFile, Reader, read_link, stat_beneath
from storage_backends.local.remains import Remains

CAPABILITIES = Capabilities(
    batch_file_bytes=4 << 20,  # an upload of its own costs a file 20 ms: its own flushes and questions to the database
    preferred_part_bytes=512 << 10,
    reads_back_before_commit=True,
    has_directories=True,
    has_symlinks=True,
    has_modes=True,
    mtime_resolution_ns=1,
    lists_uploads=True,
    max_name_bytes=255,
    is_listed_by_processor=True,
    holds_its_root=True,
    is_per_machine=True,
)
"""Parts of 512 KiB: eight of them under way stay in the processor's cache, which is faster than any larger size."""


class LocalStorage(Storage):
    """The operator's `root` is opened once, plainly, and may be a link; everything below it is confined to it."""

    def __init__(self, root: bytes, path: bytes = b"", *, is_shared: bool = False, create: bool = False) -> None:
        if path:
            path = b"/".join(check_path(path))
        self.capabilities = CAPABILITIES._replace(is_per_machine=not is_shared)
        self._operator_root, self._path = root, path
        self._fd = -1
        self._files: Reader | None = None
        self._remains: Remains | None = None
        if create:
            self._create()

    def get_storage_type(self) -> str:
        return "local"

    def probe(self) -> None:
        try:
            with os.scandir(self._root_fd) as entries:
                next(entries, None)
        except OSError as error:
            raise failure(error, self._path) from error

    def root_identity(self) -> RootIdentity:
        """Of the directory that is worked in from now on: between this look and the work that it allows, no disk can be
        taken away or put in its place."""
        try:
            return opened_identity(self._root_fd, self._path)
        except NotFound:
            return root_identity(self._operator_root, self._path)

    def free_bytes(self) -> int | None:
        try:
            return system.free_bytes(self._root_fd)
        except OSError as error:
            raise failure(error, self._path) from error

    def list_files(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[Entry]:
        return chain.from_iterable(self.list_chunks(prune=prune, stop_at=stop_at))

    def list_chunks(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[list[Entry]]:
        return walk(self._root_fd, prune=prune, stop_at=stop_at)

    def get_file_info(self, path: bytes) -> FileInfo:
        if not path:
            return describe(path, system.fstat(self._root_fd))
        return describe(path.removesuffix(b"/"), stat_beneath(self._root_fd, path))

    def open_file(self, path: bytes) -> OpenFile:
        fd, status = self._reader.open(path)
        return LocalFile(self._root_fd, path, fd, status)

    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        return self._reader.read_whole(path, max_bytes)

    def read_link(self, path: bytes) -> bytes:
        return read_link(self._root_fd, path)

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        check_path(path)
        part_bytes = self.capabilities.part_bytes(size)
        return UploadToken("local", path, size, part_bytes, source_version, secrets.token_hex(16), attributes)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        if partial.epoch > 1:
            self._older.discard(token.path, partial.installation)
        return resuming.resume(self._root_fd, token, partial)

    def write_batch(self, *, trusts_server: bool = False) -> WriteBatch:
        return LocalBatch(self._root_fd, self._older)

    def write_directories(self, directories: Sequence[tuple[bytes, Attributes]]) -> list[FileInfo | StorageError]:
        return write_directories(self._root_fd, directories)

    def set_attributes(self, path: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
        directory, name = split_path(path)
        parent = open_directory(self._root_fd, directory)
        try:
            return give_existing(parent, name, attributes, expected)
        except OSError as error:
            raise failure(error, path) from error
        finally:
            os.close(parent)

    def sync_file(self, path: bytes) -> None:
        directory, name = split_path(path)
        parent = open_directory(self._root_fd, directory)
        try:
            sync_existing(parent, name)
        except OSError as error:
            raise failure(error, path) from error
        finally:
            os.close(parent)

    def discard_partials(self, path: bytes, partial: PartialId) -> int:
        directory, _ = split_path(path)
        count = self._older.discard(path, partial.installation) if partial.epoch > 1 else 0
        try:
            parent = open_directory(self._root_fd, directory)
        except (NotFound, KindConflict):
            return count
        try:
            return count + partials.discard_older(parent, partial)
        except OSError as error:
            raise failure(error, path) from error
        finally:
            os.close(parent)

    def delete_file(self, path: bytes) -> None:
        directory, name = split_path(path)
        try:
            parent = open_directory(self._root_fd, directory)
        except (NotFound, KindConflict):
            return
        try:
            if PartialId.is_reserved(name):
                if not remains.remove_unless_busy(self._root_fd, parent, path):
                    partials.remove_unless_busy(parent, name)
            else:
                partials.remove(parent, name)
        except IsADirectoryError as error:
            raise KindConflict(f"{show(path)} is a directory, which is not removed as a file") from error
        except OSError as error:
            raise failure(error, path) from error
        finally:
            os.close(parent)

    def list_uploads(self) -> Iterator[FileInfo]:
        for entry in self.list_files():
            if isinstance(entry, FileInfo) and PartialId.is_reserved(entry.path.rpartition(b"/")[2]):
                held = remains.held_bytes(self._root_fd, entry.path)
                yield entry if held is None else entry._replace(size=held)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        if self._files is not None:
            self._files.close()
        self._fd, self._files, self._remains = -1, None, None

    @property
    def _root_fd(self) -> int:
        if self._fd < 0:
            self._fd = self._open_root()
        return self._fd

    @property
    def _older(self) -> Remains:
        """Looked for once: a storage is opened after the claim of what it is opened for."""
        if self._remains is None:
            self._remains = Remains(self._root_fd)
        return self._remains

    @property
    def _reader(self) -> Reader:
        if self._files is None:
            self._files = Reader(self._root_fd)
        return self._files

    def _open_root(self) -> int:
        operator_root = _open_plainly(self._operator_root)
        if not self._path:
            return operator_root
        try:
            return open_directory(operator_root, self._path)
        finally:
            os.close(operator_root)

    def _create(self) -> None:
        operator_root = _open_plainly(self._operator_root)
        try:
            made: list[bytes] = []
            os.close(open_for_writing(operator_root, self._path, made, directory_mode()))
            for parent in made:
                sync_directory(operator_root, parent)
        finally:
            os.close(operator_root)


def _open_plainly(root: bytes) -> int:
    try:
        return system.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise failure(error, root) from error
