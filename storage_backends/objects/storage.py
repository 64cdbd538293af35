"""`ObjectStorage`: the storage interface on top of an `ObjectClient`.

A path is a key below the prefix of the job, as UTF-8: a name that is not UTF-8, or that the service can't hold, is
refused with BadPath for itself alone. There are no directories; one that holds nothing is not kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from storage_backends.base import (
    Attributes,
    Entry,
    FileInfo,
    Kind,
    OpenFile,
    PartialId,
    RootIdentity,
    Storage,
    UploadToken,
    WriteBatch,
    check_path,
)
from storage_backends.errors import (
    BadPath,
    FileTooBig,
    NameTooLong,
    NotFound,
    NotRegular,
    StorageError,
    VersionChanged,
)
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.batch import ObjectBatch
from storage_backends.objects.client import ObjectClient, Stored
from storage_backends.objects.http import Talk
from storage_backends.objects.listing import walk
from storage_backends.objects.reading import Fetch, ObjectFile, ReadAhead, TalkedAbout
from storage_backends.objects.talks import Talks

REQUESTS_IN_FLIGHT = 16


class ObjectStorage(Storage):
    """The objects of one bucket whose keys begin with the operator's prefix and the job's path. A service adds its type
    and its uploads."""

    def __init__(self, client: ObjectClient, where: str, prefix: bytes, path: bytes) -> None:
        """`where` tells the bucket from every other one anywhere, as in `s3://endpoint/bucket`. `prefix` is the
        operator's, slashes at its ends do not matter. Raises BadPath."""
        self.client = client
        self._where = where
        folders = [part for part in prefix.split(b"/") if part] + (list(check_path(path)) if path else [])
        self._folders = [_text(folder) for folder in folders]
        self.prefix = "".join(f"{folder}/" for folder in self._folders)
        self._threads: ThreadPoolExecutor | None = None
        self._begun = ""
        """The nonce of the upload that was begun last and not opened."""
        self._ahead = ReadAhead(self._get, self._fetch)
        self._fetched: Talks[tuple[FileInfo, bytes] | None] | None = self._talks()

    # ── for the services ──────────────────────────────────────────────────────────────────────────────────────

    def refusal(self, key: str) -> str:
        """Why this service can't hold such a key, as in "holds a line feed"; empty if it can."""
        return ""

    def key(self, path: bytes) -> str:
        """The whole key of a relative path. Raises BadPath, NameTooLong."""
        check_path(path)
        key = self.prefix + _text(path)
        if len(key.encode()) > self.capabilities.max_path_bytes:
            longest = self.capabilities.max_path_bytes
            raise NameTooLong(f"'{display_path(path)}' makes a key of more than {longest:,} bytes; shorten the path")
        if why := self.refusal(key):
            raise BadPath(f"'{display_path(path)}' {why}, which {self.get_storage_type()} can't hold; rename it")
        return key

    def part_bytes(self, path: bytes, size: int) -> int:
        """Of an upload of so many bytes. Raises FileTooBig."""
        try:
            return self.capabilities.part_bytes(size)
        except ValueError as error:
            raise FileTooBig(f"'{display_path(path)}': {error}") from error

    def create_upload(self, token: UploadToken) -> UploadToken:
        """Tell the service; what has to be known of its answer is in the state of the token that is returned. Nothing
        to do where an upload is there with its first part. `token.state["expected"]` is the version at the path."""
        return token

    def describe(self, path: bytes, stored: Stored) -> FileInfo:
        """What is shown of an object of ours."""
        return metadata.describe(path, stored)

    def committed(self, token: UploadToken) -> Stored | None:
        """What stands at the path of `token`, if its upload put it there."""
        found = self.client.find(self.key(token.path))
        return found if found and metadata.is_of(found, token.nonce) else None

    def threads(self) -> Executor:
        """Those of this storage; started when first asked for."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="syncf-objects")
        return self._threads

    # ── the interface ─────────────────────────────────────────────────────────────────────────────────────────

    def probe(self) -> None:
        self.client.has_any(self.prefix)

    def location(self) -> tuple[str, ...]:
        return tuple(self._identity(self._folders[:count]) for count in range(len(self._folders), -1, -1))

    def root_identity(self) -> RootIdentity:
        is_empty = not self.client.has_any(self.prefix)
        return self.presumed_identity()._replace(is_empty=is_empty)

    def presumed_identity(self) -> RootIdentity:
        return RootIdentity(self.location(), self._where, is_empty=False, exists=True)

    def list_files(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[Entry]:
        def is_stop(folder: bytes) -> bool:
            return self._at(folder) in stop_at

        return walk(self.client, self.prefix, self.describe, prune=prune, is_stop=is_stop)

    def get_file_info(self, path: bytes) -> FileInfo:
        if not path or (check_path(path) and path.endswith(b"/")):
            raise NotFound(f"'{display_path(path)}' is a prefix and no object")
        return self.describe(path, self.client.head(self.key(path)))

    def open_file(self, path: bytes) -> OpenFile:
        stored = self.client.head(self.key(path))
        return ObjectFile(self.client, stored, self.describe(path, stored), self.threads)

    def prefetch(self, paths: Sequence[bytes], max_bytes: int) -> None:
        with suppress(StorageError):  # told by the file that it concerns
            self.client.expect([self.key(path) for path in paths])
        self._ahead.expect(paths, max_bytes)

    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        return self._ahead.take(path, max_bytes)

    def read_link(self, path: bytes) -> bytes:
        raise NotRegular("an object store holds no symbolic links")

    def write_batch(self, *, trusts_server: bool = False) -> WriteBatch:
        reads_back = not (trusts_server and self.capabilities.verifies_digest)
        return ObjectBatch(self.client, self.key, self.threads, self._talks(), reads_back=reads_back)

    def write_directories(self, directories: Sequence[tuple[bytes, Attributes]]) -> list[FileInfo | StorageError]:
        """Nothing to do: a prefix is there as soon as a key has it."""
        paths = [b"/".join(check_path(path)) + b"/" if path else b"" for path, _ in directories]
        return [FileInfo(path, Kind.DIRECTORY, 0, None, "") for path in paths]

    def set_attributes(self, path: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
        key = self.key(path)
        if not self.capabilities.sets_attributes:
            return expected
        found = self.client.head(key)
        if found.version != expected.version:
            raise VersionChanged(f"'{display_path(path)}' was written by somebody else in the meantime")
        merged = {**(found.metadata or {}), **metadata.encode(attributes)}
        return self.describe(path, self.client.set_metadata(key, merged, found.version))

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        key, nonce = self.key(path), secrets.token_hex(16)
        part_bytes = self.part_bytes(path, size)
        state, kind = {"expected": self.client.version_at(key)}, self.get_storage_type()
        token = UploadToken(kind, path, size, part_bytes, source_version, nonce, attributes, state)
        self._begun = nonce
        return self.create_upload(token)

    def has_just_begun(self, token: UploadToken) -> bool:
        """Whether that was the last one to be begun here and was not opened yet: the service holds nothing of it."""
        is_new, self._begun = token.nonce == self._begun, ""
        return is_new

    def discard_partials(self, path: bytes, partial: PartialId) -> int:
        return 0

    def delete_file(self, path: bytes) -> None:
        self.client.delete(self.key(path))

    def close(self) -> None:
        self._ahead.forget()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        self.client.close()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _identity(self, folders: Sequence[str]) -> str:
        return "/".join([self._where, *folders])

    def _at(self, folder: bytes) -> str:
        names = folder.removesuffix(b"/").decode("utf-8", "surrogateescape").split("/")
        return self._identity([*self._folders, *names])

    def _get(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        stored, data = self.client.get(self.key(path), max_bytes)
        return self.describe(path, stored), data

    def _talks(self) -> Talks[Any] | None:
        http = self.client.http
        return Talks(http, REQUESTS_IN_FLIGHT, self.threads) if http else None

    def _fetch(self, path: bytes, max_bytes: int) -> Fetch:
        if self._fetched is None:
            return self.threads().submit(self._get, path, max_bytes)
        self._fetched.add(path, self._getting(path, max_bytes))
        return TalkedAbout(self._fetched, path, partial(self._get, path, max_bytes))

    def _getting(self, path: bytes, max_bytes: int) -> Talk[tuple[FileInfo, bytes] | None]:
        found = yield from self.client.getting(self.key(path), max_bytes)
        return (self.describe(path, found[0]), found[1]) if found else None


def _text(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError as error:
        raise BadPath(f"'{display_path(path)}' is not UTF-8, and keys are text; rename it") from error
