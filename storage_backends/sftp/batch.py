"""Many small files, a request of each kind for all of them at a time: a group costs a dozen round trips, not a file.

Staging keeps the bytes and makes the folders; `flush` creates, writes, reads back and syncs the partials of all; what
goes wrong with one of them is its own answer when the rest is published.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from paramiko import sftp as protocol
from paramiko.sftp_attr import SFTPAttributes

from storage_backends.base import Attributes, FileInfo, PartialId, WriteBatch
from storage_backends.errors import (
    ChecksumMismatch,
    NotFound,
    PreconditionFailed,
    StorageError,
    Unreachable,
    UploadGone,
)
from storage_backends.names import display_path
from storage_backends.sftp import partials
from storage_backends.sftp.connection import FLAG_READ, Connection, attributes_of
from storage_backends.sftp.describing import describe, wanted, with_time
from storage_backends.sftp.folders import Folders
from storage_backends.sftp.inbox import Request
from storage_backends.sftp.ranges import ask_all, take_all
from storage_backends.sftp.upload import NEW_FILE, explained, refuse_directory


@dataclass
class _Staged:
    path: bytes
    full: bytes
    own: bytes
    """The partial."""
    data: bytes | memoryview
    attributes: Attributes
    is_link: bool = False
    handle: bytes = b""
    reading: bytes = b""
    """Another handle. Servers written in Go take what is asked of one that was opened for writing for a write, and
    what comes back is what they have spoilt."""
    error: StorageError | None = None
    version: str = ""


class SftpBatch(WriteBatch):
    """See the module."""

    def __init__(self, connection: Connection, folders: Folders) -> None:
        self._connection, self._folders = connection, folders
        self._staged: dict[bytes, _Staged] = {}
        self._is_flushed = False

    def stage(
        self,
        path: bytes,
        data: bytes | memoryview,
        attributes: Attributes,
        partial: PartialId,
        *,
        expected: str | None = None,
    ) -> None:
        self._stage(path, data, attributes, partial)

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        self._stage(path, target, attributes, partial).is_link = True

    def _stage(self, path: bytes, data: bytes | memoryview, attributes: Attributes, partial: PartialId) -> _Staged:
        folder, full = self._folders.split(path)
        own = self._folders.make(folder).rstrip(b"/") + b"/" + partial.name
        if partial.epoch > 1:
            partials.discard_older(self._connection, self._folders, folder, partial)
        self._staged[path] = staged = _Staged(path, full, own, data, attributes)
        self._is_flushed = False
        return staged

    def flush(self) -> None:
        new = [each for each in self._staged.values() if not each.version and not each.error]
        files = [each for each in new if not each.is_link]
        self._step(files, lambda each: self._connection.ask_open(each.own, partials.CREATE, 0o600), self._opened)
        self._in_step([each for each in files if not each.error], self._write)
        written = [each for each in files if not each.error]
        self._step(written, lambda each: self._connection.ask_open(each.own, FLAG_READ), self._opened_again)
        for answer in (self._read_back, self._finish, self._sync):
            self._in_step([each for each in files if not each.error], answer)
        for each in new:
            if each.is_link:
                self._write_link(each)
        handles = [handle for each in files for handle in (each.handle, each.reading) if handle]
        self._connection.tell(protocol.CMD_CLOSE, *handles)
        lost = next((each.error for each in new if isinstance(each.error, Unreachable)), None)
        if lost is not None:
            raise lost
        self._is_flushed = True

    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        if not self._is_flushed:
            raise StorageError("a batch is published only after it was flushed without an error")
        strange = [path for path in wanted if path not in self._staged]
        ours = [self._staged.pop(path) for path in wanted if path in self._staged]
        self._step(
            [each for each in ours if not each.error],
            lambda each: self._connection.ask_rename(each.own, each.full),
            self._renamed,
        )
        infos = self._look(ours)
        self._staged |= {each.path: each for each in ours if each.error}
        self.discard()
        return {
            **{path: UploadGone(f"'{display_path(path)}' was not staged") for path in strange},
            **{each.path: each.error or infos[each.path] for each in ours},
        }

    def discard(self) -> None:
        self._connection.tell(protocol.CMD_REMOVE, *[each.own for each in self._staged.values()])
        self._staged.clear()

    # ── the steps ─────────────────────────────────────────────────────────────────────────────────────────────

    def _step(
        self, all_of: Iterable[_Staged], ask: Callable[[_Staged], Request], answer: Callable[[_Staged, Request], None]
    ) -> None:
        """Ask for all, then take the answers; whose answer is an error is left out of the rest."""
        asked = [(each, ask(each)) for each in all_of]
        for each, request in asked:
            try:
                answer(each, request)
            except StorageError as error:
                each.error = error

    def _in_step(self, all_of: Iterable[_Staged], begin: Callable[[_Staged], Callable[[], None]]) -> None:
        """The same where one file needs several requests: `begin` asks, and what it returns takes the answers."""
        begun = [(each, begin(each)) for each in all_of]
        for each, finish in begun:
            try:
                finish()
            except StorageError as error:
                each.error = error

    def _opened(self, each: _Staged, request: Request) -> None:
        try:
            each.handle = self._connection.handle(request, each.path)
        except (NotFound, Unreachable):
            raise
        except StorageError:  # something of an earlier try has this very name
            each.handle = partials.create(self._connection, each.own, each.path)

    def _opened_again(self, each: _Staged, request: Request) -> None:
        each.reading = self._connection.handle(request, each.path)

    def _write(self, each: _Staged) -> Callable[[], None]:
        asked = self._connection.ask_writes(each.handle, 0, memoryview(each.data))

        def finish() -> None:
            for request in asked:
                try:
                    self._connection.answer(request, each.path)
                except StorageError as error:
                    raise explained(self._connection, each.full, error) from error

        return finish

    def _read_back(self, each: _Staged) -> Callable[[], None]:
        asked = ask_all(self._connection, each.reading, 0, len(each.data))

        def finish() -> None:
            data = bytearray(len(each.data))
            count = take_all(self._connection, each.reading, asked, memoryview(data), each.path)
            if bytes(data[:count]) != each.data:
                raise ChecksumMismatch(f"'{display_path(each.path)}' was read back with other bytes than were written")

        return finish

    def _finish(self, each: _Staged) -> Callable[[], None]:
        wanting = self._ask(each, protocol.CMD_FSETSTAT, wanted(each.attributes, NEW_FILE))
        status = self._ask(each, protocol.CMD_FSTAT)

        def finish() -> None:
            self._connection.answer(wanting, each.path)
            found = describe(each.path, attributes_of(self._connection.answer(status, each.path)))
            if found.size != len(each.data):
                raise ChecksumMismatch(f"'{display_path(each.path)}' has another size than what was written")
            each.version = found.version

        return finish

    def _sync(self, each: _Staged) -> Callable[[], None]:
        request = self._connection.ask_fsync(each.handle)
        return lambda: self._connection.finish_fsync(request, each.path)

    def _write_link(self, each: _Staged) -> None:
        """OpenSSH takes the two names of SYMLINK in the order target, link."""
        try:
            partials.remove(self._connection, each.own)
            self._connection.do(each.path, protocol.CMD_SYMLINK, bytes(each.data), each.own)
            times = with_time(SFTPAttributes(), each.attributes.mtime_ns)
            self._connection.set_link_time(each.own, times, each.path)
            each.version = describe(each.path, self._connection.lstat(each.own, each.path)).version
        except StorageError as error:
            each.error = error

    def _renamed(self, each: _Staged, request: Request) -> None:
        try:
            self._connection.answer(request, each.path)
        except NotFound as error:
            raise UploadGone(f"the partial of '{display_path(each.path)}' went to a younger attempt") from error
        except StorageError:
            refuse_directory(self._connection, each.full, each.path)
            raise

    def _look(self, published: Iterable[_Staged]) -> dict[bytes, FileInfo]:
        found: dict[bytes, FileInfo] = {}

        def note(each: _Staged, request: Request) -> None:
            found[each.path] = describe(each.path, attributes_of(self._connection.answer(request, each.path)))
            if found[each.path].version != each.version:
                raise PreconditionFailed(f"'{display_path(each.path)}' was changed right after it was published")

        good = [each for each in published if not each.error]
        self._step(good, lambda each: self._connection.ask(protocol.CMD_LSTAT, each.full), note)
        return found

    def _ask(self, each: _Staged, kind: int, *arguments: Any) -> Request:
        return self._connection.ask(kind, each.handle, *arguments)
