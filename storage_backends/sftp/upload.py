"""One large file on its way into a partial, and the renaming that publishes it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from paramiko import sftp as protocol
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.base import AlreadyCommitted, FileInfo, Kind, PartialId, UploadSession, UploadToken
from storage_backends.errors import (
    KindConflict,
    NoSpace,
    NotFound,
    PreconditionFailed,
    StorageError,
    Unreachable,
    UploadGone,
)
from storage_backends.names import display_path
from storage_backends.sftp import partials
from storage_backends.sftp.connection import FLAG_READ, Connection, attributes_of
from storage_backends.sftp.describing import describe, kind_of, wanted
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.inbox import Request
from storage_backends.sftp.ranges import ask_all, take_all

NEW_FILE = 0o644


def resume(connection: Connection, folders: Folders, token: UploadToken, partial: PartialId) -> SftpUpload:
    """See `Storage.resume_upload`. `token.state` has `begun` once a session was opened, and `version` once one was
    prepared. Directories are made only for a fresh token: where they are missing later, so is the partial."""
    folder, full = folders.split(token.path)
    if "begun" not in token.state:
        own = folders.make(folder).rstrip(b"/") + b"/" + partial.name
        refuse_directory(connection, full, token.path)
        partials.discard_older(connection, folders, folder, partial)
        handle: bytes | None = partials.create(connection, own, token.path)
    else:
        handle = _take_over(connection, folders, folder, token, partial)
    if handle is None:
        found = _committed(connection, full, token)
        if found is not None:
            raise AlreadyCommitted(found)
        raise UploadGone(f"the partial of '{display_path(token.path)}' is gone; the upload begins again")
    return SftpUpload(connection, folders, handle, token, partial)


def refuse_directory(connection: Connection, full: bytes, path: bytes) -> None:
    """Told before anything is sent."""
    try:
        found = connection.lstat(full, path)
    except NotFound:
        return
    if kind_of(found) is Kind.DIRECTORY:
        raise KindConflict(f"'{display_path(path)}' is a directory at the sink; move it away")


def _take_over(
    connection: Connection, folders: Folders, folder: bytes, token: UploadToken, partial: PartialId
) -> bytes | None:
    try:
        folders.enter(folder)
    except NotFound as error:
        raise UploadGone(f"the folder of '{display_path(token.path)}' is gone; the upload begins again") from error
    return partials.take_over(connection, folders, folder, partial)


def _committed(connection: Connection, full: bytes, token: UploadToken) -> FileInfo | None:
    """What stands there if it looks as it was prepared; the caller reads it back before it believes that."""
    try:
        found = describe(token.path, connection.lstat(full, token.path))
    except NotFound:
        return None
    is_ours = found.kind is Kind.FILE and found.version == token.state.get("version")
    return found if is_ours else None


class SftpUpload(UploadSession):
    """Parts are written at their offsets; what is held is what the partial's length covers."""

    def __init__(
        self, connection: Connection, folders: Folders, handle: bytes, token: UploadToken, partial: PartialId
    ) -> None:
        self._connection, self._handle = connection, handle
        self._beside: dict[str, bytes] = {}
        self._opening, self._resizing = threading.Lock(), threading.Lock()
        self._folder, self._full = folders.split(token.path)
        self._own = folders.full(self._folder).rstrip(b"/") + b"/" + partial.name
        self.token = token._replace(state={"begun": "1"})
        self._resized(self._status().st_size or 0)
        self.keep(token.part_count)

    def write_part(self, number: int, data: memoryview) -> None:
        if len(data) != self.token.part_length(number):
            raise ValueError(f"part {number} has {self.token.part_length(number)} bytes, not {len(data)}")
        start = number * self.token.part_bytes
        self._finish(self._connection.ask_writes(self._handle, start, data))
        with self._resizing:
            self._resized(max(self._size, start + len(data)))

    def read_part(self, number: int, buffer: memoryview) -> int:
        length = min(len(buffer), self.token.part_length(number))
        offset = number * self.token.part_bytes
        handle = self._handle_for("reading")
        asked = ask_all(self._connection, handle, offset, length, buffer[:length])
        return take_all(self._connection, handle, asked, buffer[:length], self.token.path)

    def _handle_for(self, purpose: str) -> bytes:
        """Another handle, opened once (see `batch`), in a session of its own: nobody waits for an fsync but who asked
        for it, and no part is read back behind others that are written."""
        with self._opening:
            if purpose not in self._beside:
                session = self._connection.sessions.beside(purpose)
                asked = self._connection.ask_open(self._own, FLAG_READ, session=session)
                self._beside[purpose] = self._connection.handle(asked, self.token.path)
            return self._beside[purpose]

    def sync(self) -> None:
        """By whatever handle it is asked for; an error is told to each of them, and a server may want the one that
        writes."""
        try:
            self._connection.fsync(self._handle_for("syncing"), self.token.path)
        except Unreachable:
            raise
        except StorageError:
            self._connection.fsync(self._handle, self.token.path)

    def keep(self, parts: int) -> None:
        size = min(parts * self.token.part_bytes, self.token.size)
        if size < self._size:
            shorter = SFTPAttributes()
            shorter.st_size = size
            self._finish([self._ask(protocol.CMD_FSETSTAT, shorter)])
            self._resized(size)

    def drop_cache(self) -> None:
        """The server's cache is not ours to drop."""
        self.sync()

    def prepare(self, sha256: bytes) -> UploadToken:
        size = self._status().st_size
        if size != self.token.size:
            path = display_path(self.token.path)
            raise UploadGone(f"'{path}' has {size} of {self.token.size} bytes at the sink; the upload begins again")
        self._finish([self._ask(protocol.CMD_FSETSTAT, wanted(self.token.attributes, NEW_FILE))])
        self._connection.fsync(self._handle, self.token.path)
        version = describe(self.token.path, self._status()).version
        self.token = self.token._replace(state={"begun": "1", "version": version})
        return self.token

    def commit(self) -> FileInfo:
        path = self.token.path
        try:
            self._connection.answer(self._connection.ask_rename(self._own, self._full), path)
        except NotFound as error:
            raise UploadGone(f"the partial of '{display_path(path)}' went to a younger attempt") from error
        except StorageError:
            refuse_directory(self._connection, self._full, path)
            raise
        found = describe(path, self._connection.lstat(self._full, path))
        if found.version != self.token.state.get("version"):
            raise PreconditionFailed(f"'{display_path(path)}' was changed by somebody right after it was published")
        return found

    def abort(self) -> None:
        if self._handle:
            partials.remove(self._connection, self._own)
            self.close()

    def close(self) -> None:
        if self._handle:
            for handle in (self._handle, *self._beside.values()):
                self._connection.tell(protocol.CMD_CLOSE, handle)
            self._handle, self._beside = b"", {}

    def _ask(self, kind: int, *arguments: Any) -> Request:
        return self._connection.ask(kind, self._handle, *arguments)

    def _finish(self, asked: Sequence[Request]) -> None:
        """Everything is answered, also where one of the answers is an error."""
        try:
            self._connection.settle(asked)
            for request in asked:
                self._connection.answer(request, self.token.path)
        except StorageError as error:
            raise explained(self._connection, self._full, error) from error

    def _status(self) -> SFTPAttributes:
        return attributes_of(self._connection.answer(self._ask(protocol.CMD_FSTAT), self.token.path))

    def _resized(self, size: int) -> None:
        self._size = size
        is_whole = size >= self.token.size
        self.held_parts = range(self.token.part_count if is_whole else size // self.token.part_bytes)


def explained(connection: Connection, full: bytes, error: StorageError) -> StorageError:
    """A write that failed: the server says no more than that, but it can tell how much room is left."""
    folder = full.rpartition(b"/")[0] or b"/"
    if type(error) is StorageError and connection.is_full(folder):
        return NoSpace("the file system at the server is full; free some space")
    return error
