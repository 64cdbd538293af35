"""Azure Blob Storage: `azure://account/container/prefix?endpoint_url=…&credential=VARIABLE`, on azure-storage-blob.

Credentials stand in the environment: a key, a SAS token or a connection string in AZURE_STORAGE_KEY,
AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or in the variable that the URL names (two accounts need
two); without any of them azure-identity is asked. The server checks the MD5 of every request.

A big object is made of blocks that nobody sees until their list is committed, with the metadata. Block ids carry the
upload's nonce, so nobody else's blocks are ever taken for ours. There is no way to remove blocks: those of an upload
that nobody finishes vanish with the next write of that blob, or after a week.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests
from azure.core import MatchConditions
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobBlock, ContainerClient

from storage_backends.azure_errors import translated
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
    BadCredentials,
    ConfigurationError,
    FileTooBig,
    NotFound,
    PreconditionFailed,
    Unreachable,
    UploadGone,
    VersionChanged,
)
from storage_backends.names import display_path
from storage_backends.objects import metadata
from storage_backends.objects.client import ObjectClient, Stored
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT, ObjectStorage
from storage_backends.url import StorageUrl

PARTS_IN_FLIGHT = 4
CAPABILITIES = Capabilities(
    max_part_bytes=4000 << 20,
    max_parts=50_000,
    preferred_part_bytes=8 << 20,
    batch_file_bytes=4 << 20,
    batch_files=256,
    may_write_parts_in_any_order=True,
    parts_in_flight=PARTS_IN_FLIGHT,
    commits_if_absent=True,
    commits_if_version=True,
    names_are_bytes=False,
    verifies_digest="md5",
    finds_partials=False,
    tells_gone_uploads=False,
    upload_ttl_days=7,
    max_path_bytes=1024,
)
VARIABLES = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN")
_FOLDER = "hdi_isfolder"
"""Metadata of what stands for a directory in an account with a hierarchical namespace."""


def open_azure(url: StorageUrl, path: bytes, create: bool) -> AzureStorage:
    """The container must exist; below it there is nothing to create. Raises ConfigurationError, BadCredentials."""
    url.allow_options(("endpoint_url", "credential"))
    container, _, prefix = url.path.decode("utf-8", "replace").strip("/").partition("/")
    if not url.host or "@" in url.host or not container:
        raise ConfigurationError("azure: write azure://account/container/prefix; credentials stand in the environment")
    endpoint = url.options.get("endpoint_url") or f"https://{url.host}.blob.core.windows.net"
    client = AzureClient(endpoint, container, _credential(url.host, url.options.get("credential", "")))
    return AzureStorage(client, f"azure://{endpoint}/{container}", prefix.encode(), path)


def _credential(account: str, variable: str) -> Any:
    """A key, a SAS token, or what azure-identity finds. Raises BadCredentials."""
    names = (variable,) if variable else VARIABLES
    text = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if text:
        return _of_connection_string(account, text) if "AccountName=" in text else _of_text(account, text)
    if variable:
        raise BadCredentials(f"azure: {variable}, which the storage's URL names, is not set")
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise BadCredentials(f"azure: set one of {', '.join(VARIABLES)}, or install azure-identity") from error
    return DefaultAzureCredential()


def _of_connection_string(account: str, text: str) -> Any:
    values = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    secret = values.get("AccountKey") or values.get("SharedAccessSignature")
    if values.get("AccountName") != account or not secret:
        raise BadCredentials(f"azure: the connection string in the environment is not one of the account {account}")
    return _of_text(account, secret)


def _of_text(account: str, secret: str) -> Any:
    if "sig=" in secret:
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(secret.removeprefix("?"))
    return {"account_name": account, "account_key": secret}


class AzureClient(ObjectClient):
    """One container."""

    def __init__(self, endpoint: str, container: str, credential: Any) -> None:
        self.container = container
        session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=REQUESTS_IN_FLIGHT + PARTS_IN_FLIGHT)
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        with translated(container):
            self.api = ContainerClient(
                endpoint,
                container,
                credential=credential,
                transport=RequestsTransport(session=session),
                retry_total=3,
                connection_timeout=10,
                read_timeout=60,
            )

    def has_any(self, prefix: str) -> bool:
        with translated(self.container):
            first = next(self.api.list_blobs(name_starts_with=prefix, results_per_page=1).by_page())
            return next(iter(first), None) is not None

    def listed(self, prefix: str) -> Iterator[Stored]:
        pages = self.api.list_blobs(name_starts_with=prefix, include=["metadata"]).by_page()
        while True:
            with translated(self.container):
                page = next(pages, None)
            if page is None:
                return
            for found in page:
                if _FOLDER not in (found.metadata or {}):
                    yield _stored(found.name, found)

    def head(self, key: str) -> Stored:
        with translated(self.container, key):
            return _stored(key, self.blob(key).get_blob_properties())

    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        with translated(self.container, key):
            download = self.blob(key).download_blob(max_concurrency=1)
            stored = _stored(key, download.properties)
            if stored.size > max_bytes:
                raise VersionChanged(f"'{display_path(key.encode())}' is larger than {max_bytes:,} bytes")
            return stored, download.readall()

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        try:
            with translated(self.container, key):
                download = self.blob(key).download_blob(
                    offset, len(buffer), max_concurrency=1, **_condition(version)
                )
                data = download.readall()
        except (PreconditionFailed, NotFound) as error:
            raise VersionChanged(f"'{display_path(key.encode())}' was replaced or removed while it was read") from error
        buffer[: len(data)] = data
        return len(data)

    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        with translated(self.container, key):
            answer = self.blob(key).upload_blob(
                bytes(data),
                length=len(data),
                metadata=_names_out(metadata),
                overwrite=expected != "",
                validate_content=True,
                max_concurrency=1,
                **(_condition(expected) if expected else {}),
            )
        return Stored(key, len(data), _version(answer["etag"]), metadata)

    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        size = self.head(key).size
        try:
            with translated(self.container, key):
                answer = self.blob(key).set_blob_metadata(_names_out(metadata), **_condition(expected))
        except PreconditionFailed as error:
            raise VersionChanged(f"'{display_path(key.encode())}' was written in the meantime") from error
        return Stored(key, size, _version(answer["etag"]), metadata)

    def delete(self, key: str) -> None:
        with suppress(NotFound), translated(self.container, key):
            self.blob(key).delete_blob()

    def close(self) -> None:
        self.api.close()

    def blob(self, key: str) -> Any:
        """The SDK's client of one blob; it shares the connections."""
        return self.api.get_blob_client(key)


class AzureStorage(ObjectStorage):
    """The blobs of one container below a prefix."""

    capabilities = CAPABILITIES
    client: AzureClient

    def get_storage_type(self) -> str:
        return "azure"

    def refusal(self, key: str) -> str:
        if "\\" in key:
            return "holds a backslash, which becomes a slash there"
        if any(part.endswith(".") for part in key.split("/")):
            return "has a part that ends in a dot"
        return "holds a control character" if any(ord(each) < 0x20 or each == "\x7f" for each in key) else ""

    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        self.key(path)
        try:
            part_bytes = self.capabilities.part_bytes(size)
        except ValueError as error:
            raise FileTooBig(f"'{display_path(path)}': {error}") from error
        state = {"expected": self.version_at(path)}
        nonce = secrets.token_hex(16)
        return UploadToken("azure", path, size, part_bytes, source_version, nonce, attributes, state)

    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """The blob is asked first: whether this upload made it, or whether another write has taken its blocks away."""
        version = ""
        with suppress(NotFound):
            found = self.client.head(self.key(token.path))
            version = found.version
            if (found.metadata or {}).get(metadata.UPLOAD) == token.nonce:
                raise AlreadyCommitted(self.describe(token.path, found))
        if version != token.state["expected"]:
            raise UploadGone(f"'{display_path(token.path)}' was written by somebody else; the upload begins again")
        return AzureUpload(self, token)

    def list_uploads(self) -> Iterator[FileInfo]:
        return iter(())


class AzureUpload(UploadSession):
    """Blocks of one blob, and their list."""

    def __init__(self, storage: AzureStorage, token: UploadToken) -> None:
        self.token = token
        self._storage, self._client = storage, storage.client
        self._key = storage.key(token.path)
        self._blob = self._client.blob(self._key)
        self._sha256 = b""
        self._held = self._found()
        self.held_parts = self._held

    def _found(self) -> set[int]:
        lengths = {self._id(number): self.token.part_length(number) for number in range(self.token.part_count)}
        sizes: dict[str, int] = {}
        with suppress(NotFound), translated(self._client.container, self._key):
            _, uncommitted = self._blob.get_block_list("uncommitted")
            sizes = {block.id: block.size for block in uncommitted}
        return {number for number, (name, length) in enumerate(lengths.items()) if sizes.get(name) == length}

    def _id(self, number: int) -> str:
        """Of the same length for every part, as the service demands."""
        return f"{self.token.nonce[:16]}-{number:06d}"

    def write_part(self, number: int, data: memoryview) -> None:
        if len(data) != self.token.part_length(number):
            raise ValueError(f"part {number} has {self.token.part_length(number)} bytes, not {len(data)}")
        with translated(self._client.container, self._key):
            self._blob.stage_block(self._id(number), bytes(data), length=len(data), validate_content=True)
        self._held.add(number)

    def read_part(self, number: int, buffer: memoryview) -> int:
        raise NotImplementedError("blocks can't be read back before the commit")

    def sync(self) -> None:
        return None

    def keep(self, parts: int) -> None:
        self._held.difference_update([number for number in self._held if number >= parts])

    def drop_cache(self) -> None:
        return None

    def prepare(self, sha256: bytes) -> UploadToken:
        self._sha256 = sha256
        return self.token

    def commit(self) -> FileInfo:
        token = self.token
        missing = next((number for number in range(token.part_count) if number not in self._held), None)
        if missing is not None:
            raise UploadGone(f"'{display_path(token.path)}' lacks part {missing}; the upload begins again")
        kept = metadata.encode(token.attributes, sha256=self._sha256, upload=token.nonce)
        try:
            with translated(self._client.container, self._key):
                answer = self._blob.commit_block_list(
                    [BlobBlock(self._id(number)) for number in range(token.part_count)],
                    metadata=_names_out(kept),
                    **_condition(token.state["expected"]),
                )
        except Unreachable:
            return self._perhaps_committed()
        stored = Stored(self._key, token.size, _version(answer["etag"]), kept)
        return self._storage.describe(token.path, stored)

    def _perhaps_committed(self) -> FileInfo:
        """After an answer that was lost; raises the error that lost it unless the blob is of this upload."""
        found = self._client.head(self._key)
        if (found.metadata or {}).get(metadata.UPLOAD) != self.token.nonce:
            raise Unreachable(f"'{display_path(self.token.path)}': no answer to the commit; it is tried again")
        return self._storage.describe(self.token.path, found)

    def abort(self) -> None:
        """Nothing to be done: the service forgets the blocks by itself."""

    def close(self) -> None:
        return None


def _stored(key: str, found: Any) -> Stored:
    kept = {name.lower().replace("_", "-"): value for name, value in (found.metadata or {}).items()}
    modified = found.last_modified
    modified_ns = int(modified.timestamp()) * 1_000_000_000 if modified else None
    return Stored(key, found.size, _version(found.etag), kept, modified_ns)


def _version(etag: str) -> str:
    """Listings give it without quotes."""
    return etag.strip('"')


def _condition(expected: str) -> dict[str, Any]:
    """That version, or nothing at all."""
    if not expected:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": f'"{expected}"', "match_condition": MatchConditions.IfNotModified}


def _names_out(kept: Mapping[str, str]) -> dict[str, str]:
    """Metadata names have to be identifiers of C#."""
    return {name.replace("-", "_"): value for name, value in kept.items()}
