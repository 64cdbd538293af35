"""Whole blobs of one container: by requests of our own while all goes well, else through the SDK.

The version of a blob is its etag, which every write changes, those of metadata included. Bytes are always those that
are stored: what carries `Content-Encoding: gzip` is not unpacked on the way.

The SDK is imported when something asks for it: whatever went wrong on the shorter way, names and credentials that it
can't take.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from storage_backends.azure.credentials import Credential, Key, Sas
from storage_backends.azure.describing import is_folder, names_out, of_sdk, only_if, version_of
from storage_backends.azure.failures import RETRIES, RETRY_SECONDS, asking
from storage_backends.azure.listing import ascending
from storage_backends.azure.shorter import AzureWay
from storage_backends.azure.wire import Wire
from storage_backends.errors import NotFound, PreconditionFailed, StorageError, VersionChanged
from storage_backends.objects.client import ObjectClient, Stored, quoted, refuse_larger
from storage_backends.objects.http import other_range, pool
from storage_backends.objects.pages import Way
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.registry import importing

PARTS_IN_FLIGHT = 4
CONNECTIONS = REQUESTS_IN_FLIGHT + 2 * PARTS_IN_FLIGHT
"""Kept open: what small objects and ranges use at once, an upload, and the caller itself."""
SDK_BYTES = 4 << 20
"""What the SDK asks for at once, and so the most that comes of a blob that is larger than it was."""
LOOKED_AT = 100
"""Blobs that are listed to find out whether there are any: some of the first may be folders."""


class AzureClient(ObjectClient):
    """One container."""

    def __init__(self, endpoint: str, container: str, credential: Credential) -> None:
        self.container = container
        self._endpoint, self._credential = endpoint, credential
        self._folders_come_early: bool | None = None
        self._made: Any = None
        self._making = threading.Lock()
        self.shorter: AzureWay = _wire(endpoint, container, credential) or AzureWay()

    @property
    def _api(self) -> Any:
        """The SDK's client, made when first asked for."""
        with self._making:
            if self._made is None:
                with asking(self.container):
                    self._made = _container_client(self._endpoint, self.container, self._credential)
            return self._made

    def has_any(self, prefix: str) -> bool:
        return next(self._listed(prefix, most=LOOKED_AT), None) is not None

    def listed(self, prefix: str) -> Iterator[Stored]:
        found = self._listed(prefix)
        first = next(found, None)
        if first is None:
            return iter(())  # the usual beginning of a sync, for which nothing else need be known
        if self._folders_come_early is None:
            self._folders_come_early = self._may_be_hierarchical()
        begun = {prefix: chain((first,), found)}

        def listed(start: str) -> Iterator[Stored]:
            return begun.pop(start, None) or self._listed(start)

        return ascending(listed, prefix, folders_come_early=self._folders_come_early)

    def head(self, key: str) -> Stored:
        stored = self.shorter.look(key)
        if stored is None:
            with asking(self.container, key):
                stored = of_sdk(key, self.blob(key).get_blob_properties())
        if is_folder(stored):
            raise NotFound(f"{quoted(key)} is a folder and no blob")
        return stored

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        if found := self.lead(self.getting(key, max_bytes)):
            return found
        with asking(self.container, key):
            download = self.blob(key).download_blob(max_concurrency=1, decompress=False)
            stored = of_sdk(key, download.properties)
            refuse_larger(stored, max_bytes)
            return stored, download.readall()

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        if self.shorter.read_range(key, version, offset, buffer):
            return len(buffer)
        try:
            with asking(self.container, key):
                download = self.blob(key).download_blob(
                    offset,
                    len(buffer),
                    max_concurrency=1,
                    decompress=False,
                    raw_response_hook=partial(_refuse_other_range, key),
                    **only_if(version),
                )
                data = download.readall()
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"{quoted(key)} was changed or removed while it was read") from error
        buffer[: len(data)] = data
        return len(data)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        """The service compares the MD5 of what arrives, and keeps it."""
        if made := self.lead(self.putting(key, data, metadata, expected)):
            return made
        body = bytes(data)
        try:
            with asking(self.container, key):
                answer = self.blob(key).upload_blob(
                    body,
                    metadata=names_out(metadata),
                    overwrite=expected != "",
                    validate_content=True,
                    max_concurrency=1,
                    **(only_if(expected) if expected else {}),
                )
        except PreconditionFailed:  # or the answer was lost, and this is the one to our repetition
            found = self.find_same(key, body, metadata)
            if found is None:
                raise
            return found
        return Stored(key, len(body), version_of(answer["etag"]), metadata)

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        size = self.head(key).size
        try:
            with asking(self.container, key):
                answer = self.blob(key).set_blob_metadata(names_out(metadata), **only_if(expected))
        except PreconditionFailed as error:
            raise VersionChanged(f"{quoted(key)} was changed by somebody else in the meantime") from error
        return Stored(key, size, version_of(answer["etag"]), metadata)

    def delete(self, key: str) -> None:
        with suppress(NotFound), asking(self.container, key):
            self.blob(key).delete_blob()

    def close(self) -> None:
        self.shorter.close()
        if self._made is not None:
            self._made.close()
        if not isinstance(self._credential, Key | Sas) and hasattr(self._credential, "close"):
            self._credential.close()

    def blob(self, key: str) -> Any:
        """The SDK's client of one blob; it shares the connections."""
        return self._api.get_blob_client(key)

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _listed(self, prefix: str, most: int | None = None) -> Iterator[Stored]:
        """In the service's own order; `most` of a page."""
        marker, last, way = "", "", Way(f"the container '{self.container}'")
        while page := self.shorter.page(prefix, marker, most):
            yield from (blob for blob in page.objects if not is_folder(blob))
            if not page.next:
                return
            marker = way.onward(page.next, page.objects[-1].key if page.objects else "")
        pages = self._api.list_blobs(name_starts_with=prefix or None, include=["metadata"], results_per_page=most)
        with asking(self.container):
            by_page = pages.by_page(marker or None)
            for page in by_page:
                for blob in (of_sdk(found.name, found) for found in page):
                    last = blob.key
                    if not is_folder(blob):
                        yield blob
                way.onward(by_page.continuation_token or "", last)

    def _may_be_hierarchical(self) -> bool:
        """True also for those who may not ask: then big folders are listed twice."""
        if (told := self.shorter.is_hierarchical()) is not None:
            return told
        try:
            with asking(self.container):
                return bool(self._api.get_account_information().get("is_hns_enabled"))
        except StorageError:
            return True


def _container_client(endpoint: str, container: str, credential: Credential) -> Any:
    with importing("azure"):
        from azure.storage.blob import ContainerClient, LinearRetry

        from storage_backends.azure.transport import Transport

    return ContainerClient(
        endpoint,
        container,
        credential=credential.for_sdk() if isinstance(credential, Key | Sas) else credential,
        transport=Transport(),
        retry_policy=LinearRetry(RETRY_SECONDS, retry_total=RETRIES, random_jitter_range=RETRY_SECONDS),
        max_single_get_size=SDK_BYTES,
        max_chunk_get_size=SDK_BYTES,
    )


def _wire(endpoint: str, container: str, credential: Credential) -> Wire | None:
    """None for logins: the SDK renews those."""
    http = pool(endpoint, CONNECTIONS)
    return Wire(endpoint, container, credential, http) if http and isinstance(credential, Key | Sas) else None


def _refuse_other_range(key: str, response: Any) -> None:
    """Called with every answer to a request for some bytes of that blob."""
    answer = response.http_response
    span, told = answer.request.headers["x-ms-range"].removeprefix("bytes="), answer.headers
    why = other_range(span, told.get("Content-Range", ""), int(told.get("Content-Length", 0)))
    if why and answer.status_code in (200, 206):
        raise StorageError(f"{quoted(key)}: {why}")
