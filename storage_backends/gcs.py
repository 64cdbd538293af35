"""Google Cloud Storage: `gs://bucket/prefix?endpoint_url=…`, on google-cloud-storage.

Credentials come from Google's own chain (application default credentials); an endpoint without TLS is an emulator's,
where nobody is asked who he is. A version is `generation.metageneration`.

Big objects go through resumable sessions. The SDK can begin one, but not go on with one of another process, so the
requests of a session are made here: https://cloud.google.com/storage/docs/performing-resumable-uploads. A session is
strictly sequential, takes no byte back, and its last byte makes the object: the last part is kept in memory until the
commit. Its address is all it takes to write to it, so it is a secret.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import google.auth
import google.auth.credentials
import google_crc32c
import requests
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from storage_backends.base import (
    AlreadyCommitted,
    Attributes,
    Capabilities,
    FileInfo,
    PartialId,
    UploadSession,
    UploadToken,
)
from storage_backends.errors import (
    ChecksumMismatch,
    ConfigurationError,
    FileTooBig,
    NotFound,
    PreconditionFailed,
    Unreachable,
    UploadGone,
    VersionChanged,
)
from storage_backends.gcs_errors import of_status, translated
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.client import ObjectClient, Stored
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT, ObjectStorage
from storage_backends.url import StorageUrl

CAPABILITIES = Capabilities(
    part_multiple_bytes=256 << 10,
    preferred_part_bytes=8 << 20,
    max_parts=(5 << 40) // (8 << 20),
    max_part_bytes=8 << 20,
    batch_file_bytes=4 << 20,
    batch_files=256,
    parts_in_flight=1,
    overwrites_parts=False,
    commits_with_last_part=True,
    commits_if_absent=True,
    commits_if_version=True,
    names_are_bytes=False,
    verifies_digest="crc32c",
    finds_partials=False,
    upload_ttl_days=7,
    max_path_bytes=1024,
)
"""The greatest object has 5 TiB; a session has no limit of parts."""
_TIMEOUTS = (10, 60)
_RETRY = DEFAULT_RETRY.with_timeout(30.0)
_FIELDS = "items(name,size,generation,metageneration,metadata,updated),nextPageToken"


def open_gcs(url: StorageUrl, path: bytes, create: bool) -> GcsStorage:
    """The bucket must exist; below it there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url",))
    if not url.host or "@" in url.host:
        raise ConfigurationError("gs: write gs://bucket/prefix; credentials are Google's application default ones")
    endpoint = url.options.get("endpoint_url") or os.environ.get("STORAGE_EMULATOR_HOST", "")
    return GcsStorage(GcsClient(url.host, endpoint), f"gs://{endpoint}/{url.host}", url.path, path)


class GcsClient(ObjectClient):
    """One bucket."""

    def __init__(self, bucket: str, endpoint: str) -> None:
        self.name = bucket
        with translated(bucket):
            session = AuthorizedSession(_credentials(endpoint))  # type: ignore[no-untyped-call]
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=REQUESTS_IN_FLIGHT + 1)
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
            options = {"api_endpoint": endpoint} if endpoint else None
            self._api = storage.Client(
                project="none", credentials=session.credentials, _http=session, client_options=options
            )
        self._bucket = self._api.bucket(bucket)
        self.sessions = requests.Session()
        """For the addresses of upload sessions, which need no credentials."""

    def has_any(self, prefix: str) -> bool:
        with translated(self.name):
            found = self._bucket.list_blobs(prefix=prefix or None, max_results=1, retry=_RETRY, timeout=_TIMEOUTS)
            return next(iter(found), None) is not None

    def listed(self, prefix: str) -> Iterator[Stored]:
        options = {"prefix": prefix or None, "fields": _FIELDS, "page_size": 1000}
        pages = iter(self._bucket.list_blobs(**options, retry=_RETRY, timeout=_TIMEOUTS).pages)
        while True:
            with translated(self.name):
                page = next(pages, None)
                if page is None:
                    return
                found = [_stored(blob) for blob in page]
            yield from found

    def head(self, key: str) -> Stored:
        with translated(self.name, key):
            found = self._bucket.get_blob(key, retry=_RETRY, timeout=_TIMEOUTS)
        if found is None:
            raise NotFound(f"there is no '{display_path(key.encode())}' in bucket {self.name}")
        return _stored(found)

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        """Two requests: what the service sends with an object's bytes lacks its metadata."""
        stored = self.head(key)
        if stored.size > max_bytes:
            raise VersionChanged(f"'{display_path(key.encode())}' is larger than {max_bytes:,} bytes")
        data = bytearray(stored.size)
        if data:
            count = self.read_range(key, stored.version, 0, memoryview(data))
            del data[count:]
        return stored, bytes(data)

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        """As stored, also where an object is marked as compressed."""
        generation = int(version.partition(".")[0])
        try:
            with translated(self.name, key):
                data = self._bucket.blob(key, generation=generation).download_as_bytes(
                    start=offset,
                    end=offset + len(buffer) - 1,
                    raw_download=True,
                    checksum=None,
                    retry=_RETRY,
                    timeout=_TIMEOUTS,
                )
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"'{display_path(key.encode())}' was replaced or removed while it was read") from error
        buffer[: len(data)] = data
        return len(data)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        blob = self.blob(key, metadata)
        with translated(self.name, key):
            blob.upload_from_string(
                bytes(data),
                content_type="application/octet-stream",
                checksum="crc32c",
                retry=_RETRY,
                timeout=_TIMEOUTS,
                **({} if expected is None else condition(expected)),
            )
        return _stored(blob)

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        size, blob = self.head(key).size, self.blob(key, metadata)
        try:
            with translated(self.name, key):
                blob.patch(retry=_RETRY, timeout=_TIMEOUTS, **condition(expected))
        except PreconditionFailed as error:
            raise VersionChanged(f"'{display_path(key.encode())}' was written in the meantime") from error
        return _stored(blob)._replace(size=size)

    def delete(self, key: str) -> None:
        with suppress(NotFound), translated(self.name, key):
            self._bucket.blob(key).delete(retry=_RETRY, timeout=_TIMEOUTS)

    def close(self) -> None:
        self._api.close()
        self.sessions.close()

    def blob(self, key: str, kept: Mapping[str, str]) -> Any:
        """The SDK's object to be written, with its metadata."""
        blob = self._bucket.blob(key)
        blob.metadata = dict(kept)
        return blob


class GcsStorage(ObjectStorage):
    """The objects of one bucket below a prefix."""

    capabilities = CAPABILITIES
    client: GcsClient

    def get_storage_type(self) -> str:
        return "gcs"

    def refusal(self, key: str) -> str:
        if "\r" in key or "\n" in key:
            return "holds a line break"
        return "begins with a reserved prefix" if key.startswith(".well-known/acme-challenge/") else ""

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        key, nonce = self.key(path), secrets.token_hex(16)
        try:
            part_bytes = self.capabilities.part_bytes(size)
        except ValueError as error:
            raise FileTooBig(f"'{display_path(path)}': {error}") from error
        expected = self.version_at(path)
        state = {"expected": expected}
        if size:  # for an empty file, asking how much has arrived and ending the session are the same request
            blob = self.client.blob(key, metadata.encode(attributes, upload=nonce))
            with translated(self.client.name, key):
                state["uri"] = blob.create_resumable_upload_session(
                    content_type="application/octet-stream",
                    size=size,
                    checksum=None,
                    retry=_RETRY,
                    timeout=_TIMEOUTS,
                    **condition(expected),
                )
        return UploadToken("gcs", path, size, part_bytes, source_version, nonce, attributes, state, is_secret=True)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """The object is asked first: whether this upload made it, or whether another write came between."""
        version = ""
        with suppress(NotFound):
            found = self.client.head(self.key(token.path))
            version = found.version
            if (found.metadata or {}).get(metadata.UPLOAD) == token.nonce:
                raise AlreadyCommitted(self.describe(token.path, found))
        if version != token.state["expected"]:
            raise UploadGone(f"'{display_path(token.path)}' was written by somebody else; the upload begins again")
        return GcsUpload(self, token)

    def list_uploads(self) -> Iterator[FileInfo]:
        return iter(())


class GcsUpload(UploadSession):
    """One resumable session. `_offset` is how much of the object the service has."""

    def __init__(self, storage: GcsStorage, token: UploadToken) -> None:
        self.token = token
        self._storage, self._client = storage, storage.client
        self._key = storage.key(token.path)
        self._offset = self._ask() if token.size else 0
        self._last: bytes | None = None
        """The last part, until the commit."""
        self._crc, self._crc_parts = 0, 0
        """CRC32C of the leading parts that passed through here, and how many."""
        self._held = set(range(min(self._offset // token.part_bytes, token.part_count - 1)))
        self.held_parts = self._held

    def expect_part(self, number: int, data: memoryview) -> None:
        if number == self._crc_parts:
            self._crc = google_crc32c.extend(self._crc, bytes(data))
            self._crc_parts += 1

    def write_part(self, number: int, data: memoryview) -> None:
        token = self.token
        if len(data) != token.part_length(number):
            raise ValueError(f"part {number} has {token.part_length(number)} bytes, not {len(data)}")
        if number == token.part_count - 1:
            self._last = bytes(data)
        elif self._send(number * token.part_bytes, data) is not None:
            raise UploadGone(f"'{display_path(token.path)}': the session ended early; the upload begins again")
        self.expect_part(number, data)
        self._held.add(number)

    def read_part(self, number: int, buffer: memoryview) -> int:
        raise NotImplementedError("parts can't be read back before the commit")

    def sync(self) -> None:
        return None

    def keep(self, parts: int) -> None:
        if self.held_parts and parts <= max(self.held_parts):
            raise UploadGone(f"'{display_path(self.token.path)}': a session takes nothing back; it begins again")

    def drop_cache(self) -> None:
        return None

    def prepare(self, sha256: bytes) -> UploadToken:
        return self.token

    def commit(self) -> FileInfo:
        token = self.token
        if not token.size:
            kept = metadata.encode(token.attributes, upload=token.nonce)
            stored = self._client.put(self._key, b"", kept, token.state["expected"])
            return self._storage.describe(token.path, stored)
        if len(self.held_parts) < token.part_count or self._last is None:
            raise UploadGone(f"'{display_path(token.path)}' lacks parts; the upload begins again")
        try:
            made = self._send((token.part_count - 1) * token.part_bytes, memoryview(self._last))
        except (Unreachable, UploadGone) as error:
            return self._perhaps_committed(error)
        if made is None:
            raise UploadGone(f"'{display_path(token.path)}': the session did not end; the upload begins again")
        self._compare(made)
        return self._storage.describe(token.path, self._client.head(self._key))

    def abort(self) -> None:
        """A session that ends so answers 499."""
        if self.token.size:
            with translated(self._client.name, self._key):
                self._client.sessions.delete(self.token.state["uri"], timeout=_TIMEOUTS)

    def close(self) -> None:
        return None

    def _ask(self) -> int:
        answer = self._put(b"", f"bytes */{self.token.size}")
        if answer.status_code != 308:
            self._refuse(answer)
        return _persisted(answer)

    def _send(self, start: int, data: memoryview) -> dict[str, Any] | None:
        """Send what the service lacks of `data`, which begins at `start`; it may take less than it is sent. The object
        that the last byte made, None before."""
        end, answer = start + len(data), None
        while self._offset < end:
            if self._offset < start:
                raise UploadGone(f"'{display_path(self.token.path)}': parts are missing; the upload begins again")
            before, lacking = self._offset, data[self._offset - start :]
            answer = self._put(bytes(lacking), f"bytes {before}-{end - 1}/{self.token.size}")
            if answer.status_code in (200, 201):
                made: dict[str, Any] = answer.json()
                return made
            if answer.status_code != 308:
                self._refuse(answer)
            self._offset = _persisted(answer)
            if self._offset <= before:
                raise Unreachable(f"'{display_path(self.token.path)}': the service takes no bytes; it is tried again")
        return None

    def _put(self, body: bytes, content_range: str) -> requests.Response:
        with translated(self._client.name, self._key):
            headers = {"Content-Range": content_range}
            return self._client.sessions.put(self.token.state["uri"], data=body, headers=headers, timeout=_TIMEOUTS)

    def _refuse(self, answer: requests.Response) -> NoReturn:
        if answer.status_code in (200, 201, 404, 410):
            raise UploadGone(f"the upload of '{display_path(self.token.path)}' is gone; it begins again")
        retry_after = answer.headers.get("Retry-After", "")
        raise of_status(answer.status_code, self._client.name, self._key, retry_after)

    def _compare(self, made: Mapping[str, Any]) -> None:
        """The service's checksum of the whole object with that of what was sent."""
        ours = base64.b64encode(self._crc.to_bytes(4, "big")).decode()
        if self._crc_parts == self.token.part_count and made.get("crc32c", ours) != ours:
            raise ChecksumMismatch(f"'{display_path(self.token.path)}' arrived with another CRC32C than it was sent")

    def _perhaps_committed(self, otherwise: Unreachable | UploadGone) -> FileInfo:
        with suppress(NotFound):
            found = self._client.head(self._key)
            if (found.metadata or {}).get(metadata.UPLOAD) == self.token.nonce and found.size == self.token.size:
                return self._storage.describe(self.token.path, found)
        raise otherwise


def condition(expected: str) -> dict[str, int]:
    """That version, or (generation 0) nothing at all."""
    if not expected:
        return {"if_generation_match": 0}
    generation, _, metageneration = expected.partition(".")
    return {"if_generation_match": int(generation), "if_metageneration_match": int(metageneration)}


def _credentials(endpoint: str) -> Any:
    """An endpoint without TLS is an emulator."""
    if endpoint.startswith("http://"):
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
    return google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])[0]


def _persisted(answer: requests.Response) -> int:
    """Bytes that the service has, by its word in `Range: bytes=0-LAST`. It keeps multiples of 256 KiB; less than one is
    nothing (and what it is sent twice it ignores)."""
    last = answer.headers.get("Range", "").rpartition("-")[2]
    count = int(last) + 1 if last.isdecimal() else 0
    return count if count >= CAPABILITIES.part_multiple_bytes else 0


def _stored(blob: Any) -> Stored:
    kept = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    updated = blob.updated
    modified_ns = int(updated.timestamp()) * 1_000_000_000 if updated else None
    return Stored(blob.name, int(blob.size or 0), f"{blob.generation}.{blob.metageneration}", kept, modified_ns)
