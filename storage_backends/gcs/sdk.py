"""Whole objects of one bucket, through Google's SDK: whatever `Wire` has no answer to.

It takes longer to import than a hundred small objects do, so only `GcsClient` does it, when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypeVar

import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage import Blob

from storage_backends.errors import ConfigurationError, NotFound, PreconditionFailed, StorageError, VersionChanged
from storage_backends.gcs.describing import LISTED_FIELDS, nanoseconds, preconditions
from storage_backends.gcs.failures import RETRY, TIMEOUT, asking
from storage_backends.gcs.sessions import Sessions
from storage_backends.gcs.wire import CONNECTIONS, CONTENT_TYPE, FINE
from storage_backends.objects.adapter import ClosingAdapter
from storage_backends.objects.client import ObjectClient, Stored, quoted, refuse_larger
from storage_backends.objects.http import other_range
from storage_backends.objects.pages import Way, size_told, version_told

AnySession = TypeVar("AnySession", bound=requests.Session)
# Else the SDK asks for the bucket's own metadata once, in a thread of its own, whether or not anybody traces.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")


class SdkClient(ObjectClient):
    """One bucket. `endpoint` is empty for the public service; no credentials: nothing is signed."""

    def __init__(self, bucket: str, endpoint: str, credentials: Credentials | None) -> None:
        credentials = credentials or AnonymousCredentials()
        http = _pooled(AuthorizedSession(credentials))
        http.hooks["response"].append(_refuse_other_range)
        options = {"api_endpoint": endpoint} if endpoint else None
        self._sdk = storage.Client(project=None, credentials=credentials, client_options=options, _http=http)
        self._bucket = self._sdk.bucket(bucket)
        self.sessions = Sessions(_pooled(requests.Session()))

    def has_any(self, prefix: str) -> bool:
        with self._in_bucket():
            found = self._sdk.list_blobs(
                self._bucket, prefix=prefix or None, max_results=1, timeout=TIMEOUT, retry=RETRY
            )
            return next(iter(found), None) is not None

    def listed(self, prefix: str, token: str = "") -> Iterator[Stored]:
        """From that page's token on."""
        blobs = self._sdk.list_blobs(
            self._bucket,
            prefix=prefix or None,
            page_token=token or None,
            fields=LISTED_FIELDS,
            timeout=TIMEOUT,
            retry=RETRY,
        )
        last, way = "", Way(f"the bucket '{self._bucket.name}'")
        with self._in_bucket():
            for page in blobs.pages:
                for found in map(_stored, page):
                    last = found.key
                    yield found
                way.onward(blobs.next_page_token or "", last)

    def head(self, key: str) -> Stored:
        return _stored(self._look(key))

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        stored = _stored(self._look(key))
        refuse_larger(stored, max_bytes)
        return stored, self.read_whole(key, stored.version)

    def read_whole(self, key: str, version: str) -> bytes:
        """All of that version; the SDK compares the CRC32C of what arrives."""
        return self._download(key, version, checksum="crc32c")

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        data = self._download(key, version, checksum=None, start=offset, end=offset + len(buffer) - 1)
        buffer[: len(data)] = data
        return len(data)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        blob = self._new(key, metadata)
        with self._in_bucket(key):
            blob.upload_from_string(
                bytes(data), CONTENT_TYPE, checksum="crc32c", timeout=TIMEOUT, retry=RETRY, **_only_if(expected)
            )
        return _stored(blob)

    def begin_session(self, key: str, size: int, metadata: Mapping[str, str], expected: str) -> str:
        """The URI of a new resumable upload, good for a week to whoever knows it."""
        blob = self._new(key, metadata)
        with self._in_bucket(key):
            uri: str = blob.create_resumable_upload_session(
                CONTENT_TYPE, size, checksum=None, timeout=TIMEOUT, retry=RETRY, **_only_if(expected)
            )
        return uri

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        """What is left out of `metadata` stays: the service merges."""
        blob = self._new(key, metadata)
        try:
            with asking(quoted(key)):
                blob.patch(timeout=TIMEOUT, retry=RETRY, **_only_if(expected))
        except PreconditionFailed as error:
            raise VersionChanged(f"{quoted(key)} was changed by somebody else in the meantime") from error
        return _stored(blob)

    def delete(self, key: str) -> None:
        with suppress(NotFound), asking(quoted(key)):
            self._bucket.blob(key).delete(timeout=TIMEOUT, retry=RETRY)

    def close(self) -> None:
        self._sdk.close()
        self.sessions.close()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, key: str) -> Blob:
        blob = self._bucket.blob(key)
        with asking(quoted(key)):
            blob.reload(timeout=TIMEOUT, retry=RETRY)
        return blob

    def _new(self, key: str, metadata: Mapping[str, str]) -> Blob:
        blob = self._bucket.blob(key)
        blob.metadata = dict(metadata)
        return blob

    def _download(self, key: str, version: str, *, checksum: str | None, **span: int) -> bytes:
        """Of this version, or VersionChanged."""
        try:
            with asking(quoted(key)):
                data: bytes = self._bucket.blob(key).download_as_bytes(
                    raw_download=True,
                    single_shot_download=True,
                    checksum=checksum,
                    timeout=TIMEOUT,
                    retry=RETRY,
                    **_only_if(version),
                    **span,
                )
        except (NotFound, PreconditionFailed) as error:
            raise VersionChanged(f"{quoted(key)} was changed or removed while it was read") from error
        except _OtherRange as error:
            raise StorageError(f"{quoted(key)}: {error}") from error
        return data

    @contextmanager
    def _in_bucket(self, key: str = "") -> Iterator[None]:
        """Around requests to which "not found" can only mean the bucket."""
        bucket = f"the bucket '{self._bucket.name}'"
        try:
            with asking(quoted(key) if key else bucket):
                yield
        except NotFound as error:
            raise ConfigurationError(f"{bucket} does not exist; create it or correct the storage's URL") from error


class _OtherRange(Exception):
    """Other bytes came than were asked for."""


def _refuse_other_range(response: requests.Response, **_: object) -> None:
    """Called with every answer."""
    span, told = str(response.request.headers.get("Range", "")).removeprefix("bytes="), response.headers
    if not span or response.status_code not in FINE:
        return
    if why := other_range(span, told.get("Content-Range", ""), int(told.get("Content-Length", 0))):
        response.close()
        raise _OtherRange(why)


def _stored(blob: Blob) -> Stored:
    with asking(quoted(blob.name)):  # it looks into what came only now
        is_versioned = blob.generation and blob.metageneration
        version = version_told(blob.name, f"{blob.generation}.{blob.metageneration}" if is_versioned else "")
        changed = nanoseconds(blob.updated)
        return Stored(blob.name, size_told(blob.name, blob.size), version, blob.metadata or {}, changed)


def _only_if(version: str | None) -> dict[str, int]:
    return {f"if_{name}_match": number for name, number in preconditions(version).items()}


def _pooled(session: AnySession) -> AnySession:
    for scheme in ("https://", "http://"):
        session.mount(scheme, ClosingAdapter(pool_connections=4, pool_maxsize=CONNECTIONS))
    return session
