"""Whole objects of one bucket.

A version is the etag, which is of the content alone. Every request is signed over the SHA-256 of what it carries, so
the server refuses bytes that changed on the way. A small object is one PUT on condition (`If-None-Match`, `If-Match`);
where the server says that it does not know conditional writes, what stands there is looked at right before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from storage_backends.errors import NotFound, PreconditionFailed, StorageError, Unreachable, VersionChanged
from storage_backends.objects.body import Body
from storage_backends.objects.client import ObjectClient, Stored, quoted, refuse_larger, whole_seconds_ns
from storage_backends.objects.http import Talk, nothing, other_range
from storage_backends.objects.pages import Way, size_told, version_told
from storage_backends.s3.failures import NotImplementedThere, asking
from storage_backends.s3.multipart import multipart_by
from storage_backends.s3.place import Place
from storage_backends.s3.sdk import client_of
from storage_backends.s3.shorter import shorter_way

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class S3Client(ObjectClient):
    """One bucket."""

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        """`environment` may hold the keys, which are not kept here."""
        self.bucket, self._place = place.bucket, place
        self._has_conditions = True
        self._api: Any = None
        self._making_api = threading.Lock()
        self.shorter = shorter_way(place, environment)
        self.multipart = multipart_by(self.shorter)

    @property
    def api(self) -> Any:
        """boto3's client, made when first asked for: it takes 0.2 s that small objects can do without."""
        with self._making_api, asking(self.bucket):
            if self._api is None:
                self._api = client_of(self._place)
            return self._api

    def has_any(self, prefix: str) -> bool:
        if page := self.shorter.page(prefix, "", 1):
            return bool(page.objects)
        with asking(self.bucket):
            page = self.api.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
            return bool(self._of_listing(page))

    def listed(self, prefix: str) -> Iterator[Stored]:
        last, token, way = "", "", Way(f"bucket {self.bucket}")
        while page := self.shorter.page(prefix, token):
            yield from page.objects
            if not page.next:
                return
            last = page.objects[-1].key if page.objects else last
            token = way.onward(page.next, last)
        pages = self.api.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=last)
        with asking(self.bucket):
            for page in pages:
                for entry in self._of_listing(page):
                    last = entry["Key"]
                    size, version = size_told(last, entry.get("Size")), version_told(last, entry.get("ETag"))
                    yield Stored(last, size, version, None, _modified_ns(entry))
                way.onward(page.get("NextContinuationToken", ""), last)

    def _of_listing(self, page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Its objects. In a document that is none, such as a page to sign in, boto3 finds none and has no complaint."""
        if "Name" not in page and "IsTruncated" not in page:
            raise Unreachable(f"bucket {self.bucket}: what answers sends no listing")
        objects: Sequence[Mapping[str, Any]] = page.get("Contents", ())
        return objects

    def head(self, key: str) -> Stored:
        """An answer to HEAD has no body and so no reason, and a denial may be of the credentials or of the prefix: then
        the first byte is asked for, whose denial says which."""
        if found := self.shorter.look(key):
            return found
        try:
            with asking(self.bucket, key):
                return _stored(key, self.api.head_object(Bucket=self.bucket, Key=key))
        except NotFound:
            raise
        except StorageError as error:
            if error.retryable and type(error) is not StorageError:
                raise
            with asking(self.bucket, key):
                self.api.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")["Body"].close()
            raise

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        if found := self.lead(self.getting(key, max_bytes)):
            return found
        with asking(self.bucket, key):
            answer = self.api.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:
                stored = _stored(key, answer)
                refuse_larger(stored, max_bytes)
                return stored, body.read()

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        if self.shorter.read_range(key, version, offset, buffer):
            return len(buffer)
        span = f"{offset}-{offset + len(buffer) - 1}"
        try:
            with asking(self.bucket, key):
                answer = self.api.get_object(Bucket=self.bucket, Key=key, IfMatch=version, Range=f"bytes={span}")
                with answer["Body"] as body:
                    if why := other_range(span, answer.get("ContentRange", ""), answer.get("ContentLength", 0)):
                        raise StorageError(f"{quoted(key)} in bucket {self.bucket}: {why}")
                    data = body.read(len(buffer))
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"{quoted(key)} was replaced or removed while it was read") from error
        buffer[: len(data)] = data
        return len(data)

    def read_back(self, key: str, version: str, size: int) -> bytes:
        data = self.lead(self.reading_back(key, version, size))
        return super().read_back(key, version, size) if data is None else data

    def putting(
        self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        return super().putting(key, data, metadata, expected) if self._has_conditions else nothing()

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        if made := self.lead(self.putting(key, data, metadata, expected)):
            return made

        def send(condition: Mapping[str, str]) -> str:
            with asking(self.bucket, key):
                answer = self.api.put_object(
                    Bucket=self.bucket, Key=key, Body=Body(data), Metadata=dict(metadata), **condition
                )
            made: str = answer["ETag"]
            return made

        try:
            return Stored(key, len(data), self.on_condition(key, expected, send), metadata)
        except PreconditionFailed:  # or an answer was lost, and this is the one to our repetition
            found = self.find_same(key, data, metadata)
            if found is None:
                raise
            return found

    def on_condition(self, key: str, expected: str | None, send: Callable[[Mapping[str, str]], Answer]) -> Answer:
        """`send(condition)`, refused with PreconditionFailed unless `expected` stands at `key` (see `put`)."""
        if expected is None:
            return send({})
        if self._has_conditions:
            try:
                return send({"IfMatch": expected} if expected else {"IfNoneMatch": "*"})
            except NotImplementedThere:
                pass  # if that was said of the condition, the same is done without one
            except NotFound as error:
                if not expected:
                    raise
                raise PreconditionFailed(f"{quoted(key)} was removed in the meantime") from error
        return self._look_and_send(key, expected, send)

    def _look_and_send(self, key: str, expected: str, send: Callable[[Mapping[str, str]], Answer]) -> Answer:
        """Without a condition: what somebody else writes between the two is overwritten."""
        if self.version_at(key) != expected:
            raise PreconditionFailed(f"{quoted(key)} was written by somebody else in the meantime")
        done = send({})
        if self._has_conditions:
            self._has_conditions = False
            why = "what stands there is looked at right before, and what comes in between is overwritten"
            log.warning("bucket %s has no conditional writes: %s", self.bucket, why)
        return done

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        raise NotImplementedError("S3 fixes metadata when an object is written")

    def delete(self, key: str) -> None:
        with suppress(NotFound), asking(self.bucket, key):
            self.api.delete_object(Bucket=self.bucket, Key=key)

    def close(self) -> None:
        self.shorter.close()
        if self._api is not None:
            self._api.close()


def _stored(key: str, answer: Mapping[str, Any]) -> Stored:
    kept = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return Stored(key, answer["ContentLength"], answer["ETag"], kept, _modified_ns(answer))


def _modified_ns(answer: Mapping[str, Any]) -> int | None:
    modified = answer.get("LastModified")
    return None if modified is None else whole_seconds_ns(modified)
