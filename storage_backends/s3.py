"""Amazon S3 and what speaks its language: `s3://bucket/prefix?endpoint_url=…&region=…&profile=…`, on boto3.

Credentials come from boto3's own chain (environment, profile, role). Every request is signed over the SHA-256 of what
it carries, so the server refuses bytes that changed on the way. A version is the etag, which is of the content alone.

* A small object is one PUT on condition (`If-None-Match`, `If-Match`). Where the server does not know conditional
  writes (501), what stands there is looked at right before.
* Bodies are handed over as files, because those are sent in small pieces: the time-out of a connection holds for each,
  and not for a whole part on a slow line.
* A big one is a multipart upload. Its metadata, the upload's nonce among them, are fixed when it begins, so its SHA-256
  is not part of them. After a crash `ListParts` tells what is there; the object itself tells whether it was committed.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from storage_backends.base import (
    AlreadyCommitted,
    Attributes,
    Capabilities,
    FileInfo,
    Kind,
    PartialId,
    UploadSession,
    UploadToken,
)
from storage_backends.errors import (
    ConfigurationError,
    FileTooBig,
    NotFound,
    PreconditionFailed,
    StorageError,
    Unreachable,
    UploadGone,
    VersionChanged,
)
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.client import ObjectClient, Stored
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT, ObjectStorage
from storage_backends.s3_errors import NotImplementedThere, translated
from storage_backends.s3_fast import FastObjects, Place
from storage_backends.url import StorageUrl

log = logging.getLogger(__name__)

PARTS_IN_FLIGHT = 4
CAPABILITIES = Capabilities(
    min_part_bytes=5 << 20,
    max_part_bytes=5 << 30,
    max_parts=10_000,
    preferred_part_bytes=8 << 20,
    batch_file_bytes=4 << 20,
    batch_files=256,
    may_write_parts_in_any_order=True,
    parts_in_flight=PARTS_IN_FLIGHT,
    commits_if_absent=True,
    commits_if_version=True,
    names_are_bytes=False,
    version_tells_writes=False,
    sets_attributes=False,
    verifies_digest="sha256",
    finds_partials=False,
    lists_uploads=True,
    max_path_bytes=1024,
)


def open_s3(url: StorageUrl, path: bytes, create: bool) -> S3Storage:
    """The bucket must exist; below it there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url", "region", "profile"))
    if not url.host or "@" in url.host:
        raise ConfigurationError("s3: write s3://bucket/prefix; credentials stand in the environment or a profile")
    options = {name: value for name, value in url.options.items() if value}
    if not options.get("endpoint_url", "https://").startswith(("http://", "https://")):
        raise ConfigurationError("s3: endpoint_url begins with https:// or http://, as in https://s3.example.org")
    place = Place(url.host, **options)
    return S3Storage(S3Client(place), place, url.path, path)


@cache
def _session(profile: str | None) -> Any:
    """One for the process: the second client costs 3 ms where the first takes 100."""
    return boto3.session.Session(profile_name=profile)


def _config(place: Place) -> Config:
    return Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=REQUESTS_IN_FLIGHT + PARTS_IN_FLIGHT,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True, "addressing_style": "path" if place.endpoint_url else "auto"},
    )


class S3Client(ObjectClient):
    """One bucket."""

    def __init__(self, place: Place) -> None:
        self.bucket, self._place = place.bucket, place
        with translated(self.bucket):
            self._session = _session(place.profile)
            self._region = place.region or self._session.region_name or "us-east-1"
            has_credentials = self._session.get_credentials() is not None
        self._fast = FastObjects(self._session, place, region=self._region) if has_credentials else None
        self._has_conditions = True
        self._api: Any = None
        self._making_api = threading.Lock()

    @property
    def api(self) -> Any:
        """boto3's client, made when first asked for: it takes 0.1 s that small objects can do without."""
        with self._making_api, translated(self.bucket):
            if self._api is None:
                self._api = self._session.client(
                    "s3", region_name=self._region, endpoint_url=self._place.endpoint_url, config=_config(self._place)
                )
            return self._api

    def has_any(self, prefix: str) -> bool:
        if self._fast and (found := self._fast.has_any(prefix)) is not None:
            return found
        with translated(self.bucket):
            return bool(self.api.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))

    def listed(self, prefix: str) -> Iterator[Stored]:
        pages = iter(self.api.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix))
        while True:
            with translated(self.bucket):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                yield Stored(entry["Key"], entry["Size"], entry["ETag"], None, _nanoseconds(entry))

    def head(self, key: str) -> Stored:
        """An answer to HEAD has no body and so no reason, and a denial may be of the credentials or of the prefix: then
        the first byte is asked for, whose denial says which."""
        try:
            with translated(self.bucket, key):
                return _stored(key, self.api.head_object(Bucket=self.bucket, Key=key))
        except NotFound:
            raise
        except StorageError as error:
            if error.retryable and type(error) is not StorageError:
                raise
            with translated(self.bucket, key):
                self.api.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")["Body"].close()
            raise

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        if self._fast and (found := self._fast.get(key, max_bytes)):
            return found
        with translated(self.bucket, key):
            answer = self.api.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:
                stored = _stored(key, answer)
                if stored.size > max_bytes:
                    raise VersionChanged(f"'{display_path(key.encode())}' is larger than {max_bytes:,} bytes")
                return stored, body.read()

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        if self._fast and (count := self._fast.read_range(key, version, offset, buffer)) is not None:
            return count
        last = offset + len(buffer) - 1
        try:
            with translated(self.bucket, key):
                answer = self.api.get_object(
                    Bucket=self.bucket, Key=key, IfMatch=version, Range=f"bytes={offset}-{last}"
                )
                with answer["Body"] as body:
                    return _fill(body, buffer)
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"'{display_path(key.encode())}' was replaced or removed while it was read") from error

    def read_back(self, key: str, version: str, size: int) -> bytes:
        if self._fast and (found := self._fast.get(key, size, version)):
            return found[1]
        return super().read_back(key, version, size)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        if self._fast and self._has_conditions and (etag := self._fast.put(key, data, metadata, expected)):
            return Stored(key, len(data), etag, metadata)

        def send(condition: Mapping[str, str]) -> str:
            with translated(self.bucket, key):
                answer = self.api.put_object(
                    Bucket=self.bucket, Key=key, Body=BytesIO(data), Metadata=dict(metadata), **condition
                )
            made: str = answer["ETag"]
            return made

        return Stored(key, len(data), self.on_condition(key, expected, send), metadata)

    def on_condition(self, key: str, expected: str | None, send: Any) -> Any:
        """`send(condition)`, refused with PreconditionFailed unless `expected` stands at `key` (see `put`)."""
        if expected is None:
            return send({})
        if self._has_conditions:
            try:
                return send({"IfMatch": expected} if expected else {"IfNoneMatch": "*"})
            except NotImplementedThere:
                self._has_conditions = False
                log.warning("bucket %s has no conditional writes: what stands there is looked at first", self.bucket)
            except NotFound as error:
                if not expected:
                    raise
                raise PreconditionFailed(f"'{display_path(key.encode())}' was removed in the meantime") from error
        self._compare_first(key, expected)
        return send({})

    def _compare_first(self, key: str, expected: str) -> None:
        found = ""
        with suppress(NotFound):
            found = self.head(key).version
        if found != expected:
            raise PreconditionFailed(f"'{display_path(key.encode())}' was written by somebody else in the meantime")

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        raise NotImplementedError("S3 fixes metadata when an object is written")

    def delete(self, key: str) -> None:
        with suppress(NotFound), translated(self.bucket, key):
            self.api.delete_object(Bucket=self.bucket, Key=key)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()


class S3Storage(ObjectStorage):
    """The objects of one bucket below a prefix."""

    capabilities = CAPABILITIES
    client: S3Client

    def __init__(self, client: S3Client, place: Place, prefix: bytes, path: bytes) -> None:
        where = f"s3://{place.endpoint_url or 'aws'}/{place.bucket}"
        super().__init__(client, where, prefix, path)

    def get_storage_type(self) -> str:
        return "s3"

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        key, nonce = self.key(path), secrets.token_hex(16)
        try:
            part_bytes = self.capabilities.part_bytes(size)
        except ValueError as error:
            raise FileTooBig(f"'{display_path(path)}': {error}") from error
        state = {"expected": self.version_at(path)}
        if size:  # an upload has at least one part, and no part is empty
            kept = metadata.encode(attributes, upload=nonce)
            with translated(self.client.bucket, key):
                begun = self.client.api.create_multipart_upload(Bucket=self.client.bucket, Key=key, Metadata=kept)
            state["upload_id"] = begun["UploadId"]
        return UploadToken("s3", path, size, part_bytes, source_version, nonce, attributes, state)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """The object is asked first: some servers list the parts even of what was committed."""
        with suppress(NotFound):
            found = self.client.head(self.key(token.path))
            if (found.metadata or {}).get(metadata.UPLOAD) == token.nonce:
                raise AlreadyCommitted(self.describe(token.path, found))
        return S3Upload(self, token)

    def list_uploads(self) -> Iterator[FileInfo]:
        """Their version is the upload's id; the parts of each are added up."""
        pages = self.client.api.get_paginator("list_multipart_uploads")
        with translated(self.client.bucket):
            for page in pages.paginate(Bucket=self.client.bucket, Prefix=self.prefix):
                for found in page.get("Uploads", ()):
                    parts = parts_of(self.client, found["Key"], found["UploadId"])
                    path, size = found["Key"][len(self.prefix) :].encode(), sum(part.size for part in parts.values())
                    yield FileInfo(path, Kind.SPECIAL, size, None, found["UploadId"])


class Part(NamedTuple):
    """One part that the server holds."""

    size: int
    etag: str


def parts_of(client: S3Client, key: str, upload_id: str) -> dict[int, Part]:
    """Number (from 0) → part. Raises UploadGone."""
    pages = client.api.get_paginator("list_parts").paginate(Bucket=client.bucket, Key=key, UploadId=upload_id)
    with translated(client.bucket, key):
        parts = [part for page in pages for part in page.get("Parts", ())]
    return {part["PartNumber"] - 1: Part(part["Size"], part["ETag"]) for part in parts}


class S3Upload(UploadSession):
    """One multipart upload, or one PUT where the file is empty."""

    def __init__(self, storage: S3Storage, token: UploadToken) -> None:
        self.token = token
        self._storage, self._client = storage, storage.client
        self._key = storage.key(token.path)
        self._id = token.state.get("upload_id", "")
        self._target = {"Bucket": self._client.bucket, "Key": self._key, "UploadId": self._id}
        found = parts_of(self._client, self._key, self._id) if self._id else {}
        self._etags = {
            number: part.etag
            for number, part in found.items()
            if number < token.part_count and part.size == token.part_length(number)
        }
        self.held_parts = self._etags.keys()

    def write_part(self, number: int, data: memoryview) -> None:
        if len(data) != self.token.part_length(number):
            raise ValueError(f"part {number} has {self.token.part_length(number)} bytes, not {len(data)}")
        with translated(self._client.bucket, self._key):
            answer = self._client.api.upload_part(**self._target, PartNumber=number + 1, Body=BytesIO(data))
        self._etags[number] = answer["ETag"]

    def read_part(self, number: int, buffer: memoryview) -> int:
        raise NotImplementedError("parts can't be read back before the commit")

    def sync(self) -> None:
        return None

    def keep(self, parts: int) -> None:
        for number in [number for number in self._etags if number >= parts]:
            del self._etags[number]

    def drop_cache(self) -> None:
        return None

    def prepare(self, sha256: bytes) -> UploadToken:
        return self.token

    def commit(self) -> FileInfo:
        token = self.token
        missing = next((number for number in range(token.part_count) if number not in self._etags), None)
        if missing is not None:
            raise UploadGone(f"'{display_path(token.path)}' lacks part {missing}; the upload begins again")
        try:
            if not token.size:
                kept = metadata.encode(token.attributes, upload=token.nonce)
                self._client.put(self._key, b"", kept, token.state["expected"])
            else:
                self._client.on_condition(self._key, token.state["expected"], self._complete)
        except (UploadGone, Unreachable) as error:
            return self._found(error)
        return self._found(UploadGone(f"'{display_path(token.path)}' is not what was committed; it begins again"))

    def _complete(self, condition: Mapping[str, str]) -> None:
        parts = [{"PartNumber": number + 1, "ETag": self._etags[number]} for number in sorted(self._etags)]
        with translated(self._client.bucket, self._key):
            self._client.api.complete_multipart_upload(**self._target, MultipartUpload={"Parts": parts}, **condition)

    def _found(self, otherwise: StorageError) -> FileInfo:
        """What stands there, if it is of this upload: every commit is unknown until the object confirms it."""
        with suppress(NotFound):
            found = self._client.head(self._key)
            is_ours = (found.metadata or {}).get(metadata.UPLOAD) == self.token.nonce
            if is_ours and found.size == self.token.size:
                return self._storage.describe(self.token.path, found)
        raise otherwise

    def abort(self) -> None:
        if self._id:
            with suppress(UploadGone), translated(self._client.bucket, self._key):
                self._client.api.abort_multipart_upload(**self._target)

    def close(self) -> None:
        return None


def _stored(key: str, answer: Mapping[str, Any]) -> Stored:
    kept = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return Stored(key, answer["ContentLength"], answer["ETag"], kept, _nanoseconds(answer))


def _nanoseconds(answer: Mapping[str, Any]) -> int | None:
    modified = answer.get("LastModified")
    return None if modified is None else int(modified.timestamp()) * 1_000_000_000


def _fill(body: Any, buffer: memoryview) -> int:
    done = 0
    while done < len(buffer):
        count = body.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done
