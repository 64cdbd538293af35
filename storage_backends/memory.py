"""Storage in this process's memory: `memory://name`. It behaves like an object store and is used in tests and demos.

Keys, no directories, no links, no modes; a modification time and a SHA-256 kept beside the object; uploads that outlive
the storage that began them (as they outlive a process at a real server) and are found by their id; a commit that is
refused when the name was taken by somebody else since the upload began. Every storage of the same name in this process
sees the same objects.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from storage_backends.base import (
    AlreadyCommitted,
    Attributes,
    Capabilities,
    FileInfo,
    Kind,
    ListError,
    OpenFile,
    PartialId,
    RootIdentity,
    Storage,
    UploadSession,
    UploadToken,
    WriteBatch,
    check_path,
)
from storage_backends.errors import (
    ConfigurationError,
    NotFound,
    NotRegular,
    Overlap,
    PreconditionFailed,
    StorageError,
    UploadGone,
    VersionChanged,
)
from storage_backends.names import display_path
from storage_backends.url import StorageUrl

CAPABILITIES = Capabilities(
    preferred_part_bytes=1 << 20,
    may_write_parts_in_any_order=True,
    commits_if_absent=True,
    commits_if_version=True,
    lists_uploads=True,
    is_per_machine=True,
)


def open_memory(url: StorageUrl, path: bytes, create: bool) -> MemoryStorage:
    """`memory://name`; there is nothing to create. Raises ConfigurationError."""
    url.allow_options(())
    if not url.host or url.path not in (b"", b"/"):
        raise ConfigurationError("memory: write memory://name")
    return MemoryStorage(url.host, path)


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    generation: int
    mtime_ns: int | None
    sha256: bytes
    nonce: str = ""
    """Of the upload that made it."""


@dataclass(slots=True)
class _Upload:
    key: bytes
    partial: PartialId
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that arrived so far."""
        return sum(map(len, self.parts.values()))


@dataclass(slots=True)
class _Bucket:
    """What a server would keep. `lock` is held for every look and every change."""

    objects: dict[bytes, _Object] = field(default_factory=dict)
    uploads: dict[str, _Upload] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def generation(self, key: bytes) -> int:
        """Of the object at `key`; 0 when there is none."""
        found = self.objects.get(key)
        return found.generation if found else 0

    def put(self, key: bytes, new: _Object, expected: int) -> None:
        """Raises PreconditionFailed unless what stands at `key` is still of the generation `expected`."""
        with self.lock:
            if self.generation(key) != expected:
                raise PreconditionFailed(f"'{display_path(key)}' was written by somebody else in the meantime")
            self.objects[key] = new


_buckets: dict[str, _Bucket] = {}
_buckets_lock = threading.Lock()


class MemoryStorage(Storage):
    """The objects of the bucket `name` whose keys begin with the prefix `path`."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, path: bytes = b"") -> None:
        self._name = name
        self._prefix = b"/".join(check_path(path)) + b"/" if path else b""
        with _buckets_lock:
            self._bucket = _buckets.setdefault(name, _Bucket())

    def get_storage_type(self) -> str:
        return "memory"

    def probe(self) -> None:
        return None

    def root_identity(self) -> RootIdentity:
        parts = [part for part in self._prefix.split(b"/") if part]
        above = [b"/".join(parts[:count]) for count in range(len(parts), -1, -1)]
        chain = tuple(f"memory:{self._name}/{display_path(prefix)}" for prefix in above)
        return RootIdentity(chain, f"memory:{self._name}", is_empty=not self._keys(), exists=True)

    def list_files(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[FileInfo | ListError]:
        told: set[bytes] = set()
        for path in self._keys():
            folders = [path[: index + 1] for index, byte in enumerate(path) if byte == ord("/")]
            if prune and any(map(prune, folders)):
                continue
            stopped = next((folder for folder in folders if self._identity(folder) in stop_at), None)
            if stopped is not None:
                if stopped not in told:
                    told.add(stopped)
                    yield ListError(stopped, Overlap(f"'{display_path(stopped)}' is the root of the other side"))
                continue
            found = self._bucket.objects.get(self._prefix + path)
            if found is not None:
                yield self.describe(path, found)

    def get_file_info(self, path: bytes) -> FileInfo:
        if not path:
            raise NotFound("the root is a prefix and no object")
        return self.describe(path, self._find(path))

    def open_file(self, path: bytes) -> OpenFile:
        found = self._find(path)
        return _MemoryFile(self._bucket, self._prefix + path, self.describe(path, found), found)

    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        found = self._find(path)
        if len(found.data) > max_bytes:
            raise VersionChanged(f"'{display_path(path)}' is larger than {max_bytes} bytes")
        return self.describe(path, found), found.data

    def read_link(self, path: bytes) -> bytes:
        raise NotRegular("there are no symbolic links in memory")

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        upload_id = secrets.token_hex(16)
        key = self.key(path)
        with self._bucket.lock:
            self._bucket.uploads[upload_id] = _Upload(key, partial)
            state = {"upload_id": upload_id, "expected": str(self._bucket.generation(key))}
        part_bytes = self.capabilities.part_bytes(size)
        return UploadToken("memory", path, size, part_bytes, source_version, upload_id, attributes, state)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        key = self._prefix + token.path
        with self._bucket.lock:
            found = self._bucket.objects.get(key)
            if found is not None and found.nonce == token.nonce:  # the object first: it knows whether we committed
                raise AlreadyCommitted(self.describe(token.path, found))
            upload = self._bucket.uploads.get(token.state["upload_id"])
            if upload is None:
                raise UploadGone(f"the upload of '{display_path(token.path)}' is gone; it begins again")
            upload.partial = partial
            return _MemoryUpload(self, self._bucket, key, upload, token)

    def write_batch(self) -> WriteBatch:
        return _MemoryBatch(self, self._bucket)

    def write_directories(
        self, directories: Sequence[tuple[bytes, Attributes]]
    ) -> list[FileInfo | StorageError]:
        """Nothing to do: a prefix is there as soon as a key has it."""
        paths = [b"/".join(check_path(path)) + b"/" if path else b"" for path, _ in directories]
        return [FileInfo(path, Kind.DIRECTORY, 0, None, "") for path in paths]

    def set_attributes(self, path: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
        with self._bucket.lock:
            found = self._find(path)
            if str(found.generation) != expected.version:
                raise VersionChanged(f"'{display_path(path)}' was written by somebody else in the meantime")
            mtime_ns = found.mtime_ns if attributes.mtime_ns is None else attributes.mtime_ns
            new = _Object(found.data, next(self._bucket.generations), mtime_ns, found.sha256, found.nonce)
            self._bucket.objects[self._prefix + path] = new
        return self.describe(path, new)

    def discard_partials(self, path: bytes, partial: PartialId) -> int:
        key = self._prefix + path
        with self._bucket.lock:
            older = [
                upload_id
                for upload_id, upload in self._bucket.uploads.items()
                if upload.key == key and upload.partial.stem == partial.stem and upload.partial.epoch < partial.epoch
            ]
            for upload_id in older:
                del self._bucket.uploads[upload_id]
        return len(older)

    def delete_file(self, path: bytes) -> None:
        with self._bucket.lock:
            self._bucket.objects.pop(self._prefix + path, None)

    def list_uploads(self) -> Iterator[FileInfo]:
        with self._bucket.lock:
            uploads = [
                FileInfo(upload.key[len(self._prefix) :], Kind.SPECIAL, upload.size, None, name)
                for name, upload in self._bucket.uploads.items()
                if upload.key.startswith(self._prefix)
            ]
        yield from sorted(uploads)

    def close(self) -> None:
        return None

    def key(self, path: bytes) -> bytes:
        """The whole key of a relative path; raises BadPath."""
        check_path(path)
        return self._prefix + path

    def _keys(self) -> list[bytes]:
        with self._bucket.lock:
            return sorted(key[len(self._prefix) :] for key in self._bucket.objects if key.startswith(self._prefix))

    def _find(self, path: bytes) -> _Object:
        found = self._bucket.objects.get(self.key(path))
        if found is None:
            raise NotFound(f"there is no '{display_path(path)}'")
        return found

    def _identity(self, folder: bytes) -> str:
        return f"memory:{self._name}/{display_path((self._prefix + folder).removesuffix(b'/'))}"

    @staticmethod
    def describe(path: bytes, found: _Object) -> FileInfo:
        """An object as a listing shows it."""
        kind = Kind.SPECIAL if PartialId.is_reserved(path.rpartition(b"/")[2]) else Kind.FILE
        return FileInfo(path, kind, len(found.data), found.mtime_ns, str(found.generation), sha256=found.sha256)


class _MemoryFile(OpenFile):
    def __init__(self, bucket: _Bucket, key: bytes, info: FileInfo, found: _Object) -> None:
        self.info = info
        self._bucket, self._key, self._found = bucket, key, found

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if not self.is_unchanged():
            raise VersionChanged(f"'{display_path(self.info.path)}' is no longer the object that was opened")
        data = self._found.data[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def is_unchanged(self) -> bool:
        return self._bucket.generation(self._key) == self._found.generation

    def close(self) -> None:
        return None


class _MemoryUpload(UploadSession):
    def __init__(
        self, storage: MemoryStorage, bucket: _Bucket, key: bytes, upload: _Upload, token: UploadToken
    ) -> None:
        self.token = token
        self._storage, self._bucket, self._key, self._upload = storage, bucket, key, upload
        self._sha256 = b""
        self.held_parts = upload.parts.keys()

    def write_part(self, number: int, data: memoryview) -> None:
        if len(data) != self.token.part_length(number):
            raise ValueError(f"part {number} has {self.token.part_length(number)} bytes, not {len(data)}")
        with self._bucket.lock:
            self._check()
            self._upload.parts[number] = bytes(data)

    def read_part(self, number: int, buffer: memoryview) -> int:
        raise StorageError("parts can't be read back before the commit")

    def sync(self) -> None:
        return None

    def keep(self, parts: int) -> None:
        with self._bucket.lock:
            for number in [number for number in self._upload.parts if number >= parts]:
                del self._upload.parts[number]

    def drop_cache(self) -> None:
        return None

    def prepare(self, sha256: bytes) -> UploadToken:
        self._sha256 = sha256
        return self.token

    def commit(self) -> FileInfo:
        with self._bucket.lock:
            self._check()
            missing = [number for number in range(self.token.part_count) if number not in self._upload.parts]
            if missing:
                raise UploadGone(f"'{display_path(self.token.path)}' lacks part {missing[0]}; the upload begins again")
            data = b"".join(self._upload.parts[number] for number in range(self.token.part_count))
            generation = next(self._bucket.generations)
            new = _Object(data, generation, self.token.attributes.mtime_ns, self._sha256, self.token.nonce)
            self._bucket.put(self._key, new, int(self.token.state["expected"]))
            del self._bucket.uploads[self.token.state["upload_id"]]
            return self._storage.describe(self.token.path, new)

    def abort(self) -> None:
        with self._bucket.lock:
            self._bucket.uploads.pop(self.token.state["upload_id"], None)

    def close(self) -> None:
        return None

    def _check(self) -> None:
        if self.token.state["upload_id"] not in self._bucket.uploads:
            raise UploadGone(f"the upload of '{display_path(self.token.path)}' is gone; it begins again")


class _MemoryBatch(WriteBatch):
    def __init__(self, storage: MemoryStorage, bucket: _Bucket) -> None:
        self._storage, self._bucket = storage, bucket
        self._staged: dict[bytes, tuple[bytes, Attributes, int]] = {}
        self._is_durable = False

    def stage(self, path: bytes, data: bytes | memoryview, attributes: Attributes, partial: PartialId) -> None:
        if partial.epoch > 1:
            self._storage.discard_partials(path, partial)
        expected = self._bucket.generation(self._storage.key(path))
        self._staged[path] = (bytes(data), attributes, expected)
        self._is_durable = False

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        raise NotRegular("there are no symbolic links in memory")

    def flush(self) -> None:
        self._is_durable = True

    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        if not self._is_durable:
            raise StorageError("a batch is published only after it was flushed without an error")
        results = {path: self._put(path) for path in wanted}
        self._staged.clear()
        return results

    def discard(self) -> None:
        self._staged.clear()

    def _put(self, path: bytes) -> FileInfo | StorageError:
        if path not in self._staged:
            return UploadGone(f"'{display_path(path)}' was not staged")
        data, attributes, expected = self._staged[path]
        generation = next(self._bucket.generations)
        new = _Object(data, generation, attributes.mtime_ns, hashlib.sha256(data).digest())
        try:
            self._bucket.put(self._storage.key(path), new, expected)
        except StorageError as error:
            return error
        return self._storage.describe(path, new)
