"""Whole objects of one bucket.

A version is the etag, which is of the content alone. Every request is signed over the SHA-256 of what it carries, so
the server refuses bytes that changed on the way. A small object is one PUT on condition (`If-None-Match`, `If-Match`);
where the server does not know conditional writes (501), what stands there is looked at right before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from obstore.store import S3Store

from storage_backends.errors import NotFound, PreconditionFailed, StorageError, VersionChanged
from storage_backends.objects.body import Body
from storage_backends.objects.client import ObjectClient, Stored, quoted, refuse_larger, whole_seconds_ns
from storage_backends.objects.fast import ONCE, FastObjects, client_options
from storage_backends.objects.http import pool
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.s3.failures import NotImplementedThere, asking
from storage_backends.s3.place import Keys, Place, keys_in
from storage_backends.s3.wire import Wire, address_of

log = logging.getLogger(__name__)

PARTS_IN_FLIGHT = 4
KEYS_LAST = timedelta(minutes=5)
Answer = TypeVar("Answer")


class S3Client(ObjectClient):
    """One bucket."""

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        """`environment` may hold the keys, which are not kept here."""
        self.bucket, self._place = place.bucket, place
        self._has_conditions = True
        self._api: Any = None
        self._making_api = threading.Lock()
        self._fast: FastObjects | None = None
        self._wire: Wire | None = None
        keys = keys_in(environment, place)
        if keys:
            self._go_shorter(place, lambda: keys, _lasting(keys))
        else:
            self._go_shorter_by_session()

    def _go_shorter_by_session(self) -> None:
        """Not without credentials: boto3 says which ones it looked for. It renews those that expire."""
        with asking(self.bucket):
            session = _session(self._place.profile)
            if session.get_credentials() is not None:
                place = self._place._replace(region=self._region(session))
                expiring = {"credential_provider": lambda: _for_obstore(_keys_of(session))}
                self._go_shorter(place, lambda: self._keys_now(session), expiring)

    def _keys_now(self, session: Any) -> Keys | None:
        """None where they can't be renewed: boto3 says why."""
        with suppress(StorageError), asking(self.bucket):
            return _keys_of(session)
        return None

    def _go_shorter(self, place: Place, keys: Callable[[], Keys | None], credentials: Mapping[str, Any]) -> None:
        http = pool(address_of(place), REQUESTS_IN_FLIGHT)
        self._fast = _fast(place, credentials)
        self._wire = Wire(place, keys, http) if http else None

    def _region(self, session: Any) -> str:
        return self._place.region or session.region_name or "us-east-1"

    @property
    def api(self) -> Any:
        """boto3's client, made when first asked for: it takes 0.2 s that small objects can do without."""
        with self._making_api, asking(self.bucket):
            if self._api is None:
                session = _session(self._place.profile)
                self._api = session.client(
                    "s3",
                    region_name=self._region(session),
                    endpoint_url=self._place.endpoint_url,
                    config=_config(self._place),
                )
            return self._api

    def has_any(self, prefix: str) -> bool:
        if self._fast and (found := self._fast.has_any(prefix)) is not None:
            return found
        with asking(self.bucket):
            return bool(self.api.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))

    def listed(self, prefix: str) -> Iterator[Stored]:
        if self._fast and self._fast.has_any(prefix) is False:
            return  # the usual beginning of a sync, for which boto3 need not be imported
        pages = self.api.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        with asking(self.bucket):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield Stored(entry["Key"], entry["Size"], entry["ETag"], None, _modified_ns(entry))

    def head(self, key: str) -> Stored:
        """An answer to HEAD has no body and so no reason, and a denial may be of the credentials or of the prefix: then
        the first byte is asked for, whose denial says which."""
        if self._fast and (found := self._fast.head(key)):
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
        if self._fast and (found := self._fast.get(key, max_bytes)):
            return found
        with asking(self.bucket, key):
            answer = self.api.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:
                stored = _stored(key, answer)
                refuse_larger(stored, max_bytes)
                return stored, body.read()

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        shorter = self._wire or self._fast
        if shorter and shorter.read_range(key, version, offset, buffer):
            return len(buffer)
        span = f"bytes={offset}-{offset + len(buffer) - 1}"
        try:
            with asking(self.bucket, key):
                answer = self.api.get_object(Bucket=self.bucket, Key=key, IfMatch=version, Range=span)
                with answer["Body"] as body:
                    data = body.read(len(buffer))
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"{quoted(key)} was replaced or removed while it was read") from error
        buffer[: len(data)] = data
        return len(data)

    def read_back(self, key: str, version: str, size: int) -> bytes:
        if self._fast and (found := self._fast.get(key, size, version)):
            return found[1]
        return super().read_back(key, version, size)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        if self._fast and self._has_conditions and (etag := self._fast.put(key, data, metadata, expected)):
            return Stored(key, len(data), etag, metadata)

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
            found = self._same(key, data, metadata)
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
                self._has_conditions = False
                log.warning("bucket %s has no conditional writes: what stands there is looked at first", self.bucket)
            except NotFound as error:
                if not expected:
                    raise
                raise PreconditionFailed(f"{quoted(key)} was removed in the meantime") from error
        self._compare_first(key, expected)
        return send({})

    def _compare_first(self, key: str, expected: str) -> None:
        if self.version_at(key) != expected:
            raise PreconditionFailed(f"{quoted(key)} was written by somebody else in the meantime")

    def _same(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str]) -> Stored | None:
        """What stands there, if it is exactly this."""
        try:
            stored, found = self.get(key, len(data))
        except (NotFound, VersionChanged):
            return None
        is_same = found == data and metadata.items() <= (stored.metadata or {}).items()
        return stored if is_same else None

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        raise NotImplementedError("S3 fixes metadata when an object is written")

    def delete(self, key: str) -> None:
        with suppress(NotFound), asking(self.bucket, key):
            self.api.delete_object(Bucket=self.bucket, Key=key)

    def close(self) -> None:
        if self._wire:
            self._wire.close()
        if self._api is not None:
            self._api.close()


@cache
def _session(profile: str | None) -> Any:
    """One for the process: the second client costs 3 ms where the first takes 100."""
    import boto3

    return boto3.session.Session(profile_name=profile)


def _config(place: Place) -> Any:
    from botocore.config import Config

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


def _fast(place: Place, credentials: Mapping[str, Any]) -> FastObjects:
    store = S3Store(
        place.bucket,
        region=place.region,
        virtual_hosted_style_request=place.endpoint_url is None and "." not in place.bucket,
        unsigned_payload=False,
        client_options=client_options(place.endpoint_url),
        retry_config=ONCE,
        config={"endpoint": place.endpoint_url} if place.endpoint_url else {},
        **credentials,
    )
    return FastObjects(store)


def _lasting(keys: Keys) -> dict[str, Any]:
    """Arguments of obstore's store."""
    token = {"session_token": keys.token} if keys.token else {}
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, **token}


def _for_obstore(keys: Keys) -> dict[str, Any]:
    """What obstore takes from a provider of credentials."""
    token = {"token": keys.token} if keys.token else {}
    expires = {"expires_at": datetime.now(UTC) + KEYS_LAST}
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, **token, **expires}


def _keys_of(session: Any) -> Keys:
    """As boto3 has them now."""
    found = session.get_credentials().get_frozen_credentials()
    return Keys(found.access_key, found.secret_key, found.token)


def _stored(key: str, answer: Mapping[str, Any]) -> Stored:
    kept = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return Stored(key, answer["ContentLength"], answer["ETag"], kept, _modified_ns(answer))


def _modified_ns(answer: Mapping[str, Any]) -> int | None:
    modified = answer.get("LastModified")
    return None if modified is None else whole_seconds_ns(modified)
