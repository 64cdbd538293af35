"""Many small objects at once.

Nothing can be written where nobody sees it, so staging only keeps the bytes and, where it is not known what stands
there, asks. `publish` writes everything in parallel on condition that nobody else wrote meanwhile, and reads it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from typing import NamedTuple

from storage_backends.base import Attributes, FileInfo, PartialId, WriteBatch
from storage_backends.errors import ChecksumMismatch, NotRegular, StorageError, UploadGone
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.client import ObjectClient
from storage_backends.objects.http import Talk
from storage_backends.objects.talks import Talks

TALKED_BYTES = 64 << 10
"""Far away, a larger one would keep the thread that sends it from all the others."""


class _Staged(NamedTuple):
    key: str
    data: bytes | memoryview
    metadata: Mapping[str, str]
    expected: str | Future[str]


class ObjectBatch(WriteBatch):
    """See the module."""

    def __init__(
        self,
        client: ObjectClient,
        key_of: Callable[[bytes], str],
        threads: Callable[[], Executor],
        talks: Talks[FileInfo | None] | None = None,
        *,
        reads_back: bool,
    ) -> None:
        """With `talks` one thread writes what is small enough for it."""
        self._client, self._key_of, self._threads, self._talks = client, key_of, threads, talks
        self._reads_back = reads_back
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
        key = self._key_of(path)
        known = self._threads().submit(self._client.version_at, key) if expected is None else expected
        kept = metadata.encode(attributes, sha256=hashlib.sha256(data).digest())
        self._staged[path] = _Staged(key, data, kept, known)
        self._is_flushed = False

    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        raise NotRegular("an object store holds no symbolic links")

    def flush(self) -> None:
        """What stands at the names is known when this returns: whoever writes there later is noticed."""
        for staged in self._staged.values():
            if isinstance(staged.expected, Future):
                staged.expected.exception()  # waits; it is raised, for its own file, by `publish`
        self._is_flushed = True

    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        if not self._is_flushed:
            raise StorageError("a batch is published only after it was flushed without an error")
        results = self._talked_about(self._talks, wanted) if self._talks else {}
        others = [path for path in wanted if path not in results]
        results |= zip(others, self._threads().map(self._publish_one, others) if others else (), strict=True)
        self._staged.clear()
        return results

    def discard(self) -> None:
        self._staged.clear()
        if self._talks:
            self._talks.forget()

    def _talked_about(
        self, talks: Talks[FileInfo | None], wanted: Collection[bytes]
    ) -> dict[bytes, FileInfo | StorageError]:
        """What was published, or can't be, by talks; the others are left to threads."""
        small = [path for path in wanted if path in self._staged and len(self._staged[path].data) <= TALKED_BYTES]
        for path in small:
            talks.add(path, self._publishing(path))
        results: dict[bytes, FileInfo | StorageError] = {}
        for path in small:
            try:
                if found := talks.take(path):
                    results[path] = found
            except StorageError as error:
                results[path] = error
        return results

    def _publishing(self, path: bytes) -> Talk[FileInfo | None]:
        staged = self._staged[path]
        stored = yield from self._client.putting(staged.key, staged.data, staged.metadata, _known(staged))
        if stored is None:
            return None
        if self._reads_back:
            found = yield from self._client.reading_back(staged.key, stored.version, len(staged.data))
            if found is None:
                found = self._client.read_back(staged.key, stored.version, len(staged.data))
            _must_be(path, staged, found)
        return metadata.describe(path, stored)

    def _publish_one(self, path: bytes) -> FileInfo | StorageError:
        staged = self._staged.get(path)
        if staged is None:
            return UploadGone(f"'{display_path(path)}' was not staged")
        try:
            stored = self._client.put(staged.key, staged.data, staged.metadata, _known(staged))
            if self._reads_back:
                _must_be(path, staged, self._client.read_back(staged.key, stored.version, len(staged.data)))
        except StorageError as error:
            return error
        return metadata.describe(path, stored)


def _known(staged: _Staged) -> str:
    """What stood there; raises what looking for it met."""
    return staged.expected if isinstance(staged.expected, str) else staged.expected.result()


def _must_be(path: bytes, staged: _Staged, found: bytes) -> None:
    if found != staged.data:
        raise ChecksumMismatch(f"'{display_path(path)}' was read back with other bytes than were written")
