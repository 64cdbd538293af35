"""Storage in this process's memory: `memory://name`. It behaves like an object store and is used in tests and demos.

Keys, no directories, no links; uploads that outlive the storage that began them (as they outlive a process at a real
server) and are found by their id; a commit that is refused when the name was taken by somebody else since the upload
began. Every storage of the same name in this process sees the same objects.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from storage_backends.base import (
    AlreadyCommitted,
    Capabilities,
    FileInfo,
    Kind,
    PartialId,
    UploadSession,
    UploadToken,
)
from storage_backends.errors import ConfigurationError, NotFound, PreconditionFailed, UploadGone, VersionChanged
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.client import ObjectClient, Stored, quoted, refuse_larger
from storage_backends.objects.storage import ObjectStorage
from storage_backends.objects.upload import ObjectUpload
from storage_backends.url import StorageUrl

CAPABILITIES = Capabilities(
    preferred_part_bytes=1 << 20,
    may_write_parts_in_any_order=True,
    parts_in_flight=4,
    names_are_bytes=False,
    commits_if_absent=True,
    commits_if_version=True,
    finds_partials=False,
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
    metadata: Mapping[str, str]

    def stored(self, key: str) -> Stored:
        """As a service would show it."""
        return Stored(key, len(self.data), str(self.generation), self.metadata)


@dataclass(slots=True)
class _Upload:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that arrived so far."""
        return sum(map(len, self.parts.values()))


@dataclass(slots=True)
class _Bucket:
    """What a server would keep. `lock` is held for every look and every change."""

    objects: dict[str, _Object] = field(default_factory=dict)
    uploads: dict[str, _Upload] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, key: str, data: bytes, kept: Mapping[str, str], expected: str | None) -> Stored:
        """Raises PreconditionFailed unless what stands at `key` is still of the version `expected`."""
        with self.lock:
            found = self.objects.get(key)
            if expected is not None and (str(found.generation) if found else "") != expected:
                raise PreconditionFailed(f"{quoted(key)} was written by somebody else in the meantime")
            self.objects[key] = new = _Object(data, next(self.generations), dict(kept))
            return new.stored(key)


_buckets: dict[str, _Bucket] = {}
_buckets_lock = threading.Lock()


class _MemoryClient(ObjectClient):
    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket

    def has_any(self, prefix: str) -> bool:
        return next(self.listed(prefix), None) is not None

    def listed(self, prefix: str) -> Iterator[Stored]:
        with self._bucket.lock:
            keys = sorted((key for key in self._bucket.objects if key.startswith(prefix)), key=str.encode)
        for key in keys:
            found = self._bucket.objects.get(key)
            if found is not None:
                yield found.stored(key)

    def head(self, key: str) -> Stored:
        return self._find(key).stored(key)

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        found = self._find(key)
        stored = found.stored(key)
        refuse_larger(stored, max_bytes)
        return stored, found.data

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        found = self._bucket.objects.get(key)
        if found is None or str(found.generation) != version:
            raise VersionChanged()
        data = found.data[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        return self._bucket.put(key, bytes(data), metadata, expected)

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        with self._bucket.lock:
            found = self._find(key)
            if str(found.generation) != expected:
                raise VersionChanged()
            return self._bucket.put(key, found.data, metadata, expected)

    def delete(self, key: str) -> None:
        with self._bucket.lock:
            self._bucket.objects.pop(key, None)

    def close(self) -> None:
        return None

    def _find(self, key: str) -> _Object:
        found = self._bucket.objects.get(key)
        if found is None:
            raise NotFound(f"there is no {quoted(key)}")
        return found


class MemoryStorage(ObjectStorage):
    """The objects of the bucket `name` whose keys begin with the prefix `path`."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, path: bytes = b"") -> None:
        with _buckets_lock:
            self._bucket = _buckets.setdefault(name, _Bucket())
        super().__init__(_MemoryClient(self._bucket), f"memory:{name}", b"", path)

    def get_storage_type(self) -> str:
        return "memory"

    def create_upload(self, token: UploadToken) -> UploadToken:
        with self._bucket.lock:
            self._bucket.uploads[token.nonce] = _Upload(self.key(token.path))
        return token

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        with self._bucket.lock:
            if committed := self.committed(token):
                raise AlreadyCommitted(self.describe(token.path, committed))
            upload = self._bucket.uploads.get(token.nonce)
            if upload is None:
                raise UploadGone(f"the upload of '{display_path(token.path)}' is gone; it begins again")
            return _MemoryUpload(self, self._bucket, upload, token)

    def list_uploads(self) -> Iterator[FileInfo]:
        prefix = self.prefix
        with self._bucket.lock:
            uploads = [
                FileInfo(upload.key[len(prefix) :].encode(), Kind.SPECIAL, upload.size, None, name)
                for name, upload in self._bucket.uploads.items()
                if upload.key.startswith(prefix)
            ]
        yield from sorted(uploads)


class _MemoryUpload(ObjectUpload):
    def __init__(self, storage: MemoryStorage, bucket: _Bucket, upload: _Upload, token: UploadToken) -> None:
        super().__init__(storage, token)
        self._bucket, self._upload, self.held_parts = bucket, upload, upload.parts.keys()

    def send_part(self, number: int, data: memoryview) -> None:
        with self._bucket.lock:
            self._check()
            self._upload.parts[number] = bytes(data)

    def keep(self, parts: int) -> None:
        with self._bucket.lock:
            for number in [number for number in self._upload.parts if number >= parts]:
                del self._upload.parts[number]

    def commit(self) -> FileInfo:
        with self._bucket.lock:
            self._check()
            return super().commit()

    def make_object(self) -> Stored:
        token = self.token
        data = b"".join(self._upload.parts[number] for number in range(token.part_count))
        kept = metadata.encode(token.attributes, sha256=self._sha256, upload=token.nonce)
        stored = self._bucket.put(self._upload.key, data, kept, token.state["expected"])
        del self._bucket.uploads[token.nonce]
        return stored

    def abort(self) -> None:
        with self._bucket.lock:
            self._bucket.uploads.pop(self.token.nonce, None)

    def _check(self) -> None:
        if self.token.nonce not in self._bucket.uploads:
            raise UploadGone(f"the upload of {self._name} is gone; it begins again")
