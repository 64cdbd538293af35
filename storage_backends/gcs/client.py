"""Whole objects of one bucket: by requests of our own while all goes well, else through the SDK.

The version of an object is `generation.metageneration`: the first changes with its bytes, the second with its metadata,
so an edit of either is seen. Bytes are always those that are stored: what carries `Content-Encoding: gzip` is not
unpacked on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from storage_backends.errors import PreconditionFailed
from storage_backends.gcs.resumable import resumable_by
from storage_backends.gcs.wire import CONNECTIONS, PUBLIC, Wire
from storage_backends.objects.client import ObjectClient, Stored, refuse_larger
from storage_backends.objects.http import Talk, pool
from storage_backends.objects.pages import Way
from storage_backends.objects.shorter import ShorterWay
from storage_backends.registry import importing

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from storage_backends.gcs.sdk import SdkClient
    from storage_backends.gcs.sessions import Sessions


class GcsClient(ObjectClient):
    """One bucket. `endpoint` is empty for the public service; no credentials: nothing is signed."""

    def __init__(self, bucket: str, endpoint: str, credentials: Credentials | None) -> None:
        self._access = (bucket, endpoint, credentials)
        http = pool(endpoint or PUBLIC, CONNECTIONS)
        self.shorter = Wire(*self._access, http) if http else ShorterWay()
        self.resumable = resumable_by(self.shorter)
        self._seen = dict[str, Stored]()
        """What is expected, as it was listed."""
        self._made: SdkClient | None = None
        self._making = threading.Lock()

    @property
    def sdk(self) -> SdkClient:
        """Made when first asked for."""
        with self._making:
            if self._made is None:
                with importing("gs"):
                    from storage_backends.gcs.sdk import SdkClient

                self._made = SdkClient(*self._access)
            return self._made

    @property
    def sessions(self) -> Sessions:
        """Of resumable uploads."""
        return self.sdk.sessions

    def has_any(self, prefix: str) -> bool:
        page = self.shorter.page(prefix, "", 1)
        return self.sdk.has_any(prefix) if page is None else bool(page.objects)

    def listed(self, prefix: str) -> Iterator[Stored]:
        token, way = "", Way(f"the bucket '{self._access[0]}'")
        while page := self.shorter.page(prefix, token):
            yield from page.objects
            if not page.next:
                return
            token = way.onward(page.next, page.objects[-1].key if page.objects else "")
        yield from self.sdk.listed(prefix, token)

    def head(self, key: str) -> Stored:
        return self.shorter.look(key) or self.sdk.head(key)

    def expect(self, keys: Sequence[str]) -> None:
        """The answer to a download does not carry the metadata, so each object costs two requests. Where they lie close
        together, one listing stands in for the first ones of all."""
        self._seen = self.shorter.look_at_many(keys)

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        """What is downloaded is pinned to the version that was seen; one that has changed since is looked at again."""
        if found := self.lead(self.getting(key, max_bytes)):
            return found
        stored = self.head(key)
        refuse_larger(stored, max_bytes)
        return stored, self.read_back(key, stored.version, stored.size)

    def getting(self, key: str, max_bytes: int) -> Talk[tuple[Stored, bytes] | None]:
        seen = self._seen.pop(key, None)
        if seen is None or seen.size > max_bytes:
            return None
        data = yield from self.reading_back(key, seen.version, seen.size)
        return None if data is None else (seen, data)

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        if self.shorter.read_range(key, version, offset, buffer):
            return len(buffer)
        return self.sdk.read_range(key, version, offset, buffer)

    def read_back(self, key: str, version: str, size: int) -> bytes:
        data = self.lead(self.reading_back(key, version, size))
        return self.sdk.read_whole(key, version) if data is None else data

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        made = self.lead(self.putting(key, data, metadata, expected))
        try:
            return made or self.sdk.put(key, data, metadata, expected)
        except PreconditionFailed:  # or an answer was lost, and this is the one to our repetition
            found = self.find_same(key, data, metadata)
            if found is None:
                raise
            return found

    def begin_session(self, key: str, size: int, metadata: Mapping[str, str], expected: str) -> str:
        """The URI of a new resumable upload, good for a week to whoever knows it."""
        begun = self.resumable.begin(key, size, metadata, expected)
        return begun or self.sdk.begin_session(key, size, metadata, expected)

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        return self.sdk.set_metadata(key, metadata, expected)

    def delete(self, key: str) -> None:
        self.sdk.delete(key)

    def close(self) -> None:
        self.shorter.close()
        if self._made is not None:
            self._made.close()
