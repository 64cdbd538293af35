"""The few requests that make up nearly all of a sync, signed and sent without the SDK, at a tenth of its CPU time.

What goes the SDK's way: an error, a lost connection, a key that might be spelt otherwise.
Every request that carries content carries its MD5, which the service compares; that of what is read is compared here.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from storage_backends.azure.credentials import Key, Sas
from storage_backends.azure.describing import names_in, names_out, version_of
from storage_backends.azure.shorter import AzureWay
from storage_backends.errors import NotFound
from storage_backends.objects.client import Page, Stored, modified_ns, quoted
from storage_backends.objects.connection import Body
from storage_backends.objects.http import PLAIN_KEY, Answer, Ask, Http, Talk
from storage_backends.objects.pages import size_told, version_told

API_VERSION = "2021-12-02"
MOST_TOLD_BYTES = 64 << 10
"""Of an error."""
BLOB_NOT_FOUND = "BlobNotFound"
_KEPT = "x-ms-meta-"
_SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
_BLOCKS = b'<?xml version="1.0" encoding="utf-8"?><BlockList>%s</BlockList>'


class Wire(AzureWay):
    """One container, used by many threads at once."""

    http: Http

    def __init__(self, endpoint: str, container: str, credential: Key | Sas, http: Http) -> None:
        self._base, self._credential = f"{endpoint}/{container}", credential
        self._path = urlsplit(self._base).path
        self.http = http

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> bool:
        if not PLAIN_KEY.fullmatch(key):
            return False
        wanted = {"x-ms-range": f"bytes={offset}-{offset + len(buffer) - 1}", "If-Match": f'"{version}"'}
        return self.http.fetch_into(*self._signed("GET", f"/{key}", {}, wanted), buffer)

    def getting(self, key: str, max_bytes: int, version: str = "") -> Talk[tuple[Stored, bytes] | None]:
        """A small blob, of that version if one is named. Of one that is larger nothing but the head comes."""
        if not PLAIN_KEY.fullmatch(key):
            return None
        ask = self._ask("GET", f"/{key}", {}, {"If-Match": f'"{version}"'} if version else {})
        answer = yield ask._replace(most_bytes=max(MOST_TOLD_BYTES, max_bytes))
        if answer is None or answer.status != 200 or len(answer.data) > max_bytes or not _is_intact(answer):
            return None
        return _stored(key, answer, len(answer.data)), answer.data

    def reading_back(self, key: str, version: str, size: int) -> Talk[bytes | None]:
        found = yield from self.getting(key, size, version)
        return found[1] if found and len(found[1]) == size else None

    def putting(
        self, key: str, data: Body, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        kept = _kept(names_out(metadata))
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream", **kept}
        etag = yield from self._writing(key, {}, data, {**headers, **_only_if(expected)})
        return Stored(key, len(data), version_of(etag), metadata) if etag else None

    def look(self, key: str) -> Stored | None:
        answer = self._send("HEAD", f"/{key}", {}, {}) if PLAIN_KEY.fullmatch(key) else None
        if answer is not None and answer.headers.get("x-ms-error-code") == BLOB_NOT_FOUND:
            raise NotFound(f"there is no {quoted(key)}")
        size = answer.headers.get("content-length", "") if answer is not None and answer.status == 200 else ""
        return _stored(key, answer, int(size)) if answer is not None and size.isdecimal() else None

    def blocks(self, key: str) -> dict[bytes, int] | None:
        if not PLAIN_KEY.fullmatch(key):
            return None
        answer = self._send("GET", f"/{key}", {"comp": "blocklist", "blocklisttype": "uncommitted"}, {})
        if answer is not None and answer.headers.get("x-ms-error-code") == BLOB_NOT_FOUND:
            return {}
        return _blocks(answer.data) if answer is not None and answer.status == 200 else None

    def put_block(self, key: str, block_id: str, data: Body) -> bool:
        query = {"comp": "block", "blockid": base64.b64encode(block_id.encode()).decode()}
        return self._write(key, query, data, {}) is not None

    def put_blocks(self, key: str, ids: Sequence[str], metadata: Mapping[str, str], expected: str) -> str | None:
        encoded = [base64.b64encode(block_id.encode()) for block_id in ids]
        data = _BLOCKS % b"".join(b"<Uncommitted>%s</Uncommitted>" % block_id for block_id in encoded)
        headers = {"x-ms-blob-content-type": "application/octet-stream", **_kept(metadata), **_only_if(expected)}
        return self._write(key, {"comp": "blocklist"}, data, headers)

    def page(self, prefix: str, token: str, most: int | None = None) -> Page | None:
        wanted = {"prefix": prefix, "marker": token, "maxresults": str(most or "")}
        query = {"restype": "container", "comp": "list", "include": "metadata"}
        answer = self._send("GET", "", query | {name: value for name, value in wanted.items() if value}, {})
        return _page(answer.data) if answer is not None and answer.status == 200 else None

    def is_hierarchical(self) -> bool | None:
        answer = self._send("GET", "", {"restype": "account", "comp": "properties"}, {})
        if answer is None or answer.status != 200:
            return None
        return answer.headers.get("x-ms-is-hns-enabled", "").lower() == "true"

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, key: str, query: Mapping[str, str], data: Body, headers: Mapping[str, str]) -> str | None:
        return self.http.lead(self._writing(key, query, data, headers))

    def _writing(self, key: str, query: Mapping[str, str], data: Body, headers: Mapping[str, str]) -> Talk[str | None]:
        if not PLAIN_KEY.fullmatch(key):
            return None
        answer = yield self._ask("PUT", f"/{key}", query, {**headers, "Content-MD5": _md5(data)}, data)
        return answer.headers.get("etag", "") if answer is not None and answer.status == 201 else None

    def _send(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:
        return self.http.answer(self._ask(method, path, query, headers))

    def _ask(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], data: Body = b""
    ) -> Ask:
        headers = {**headers, "Content-Length": str(len(data))} if method == "PUT" else headers
        return Ask(method, *self._signed(method, path, query, headers), data)

    def _signed(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The URL, which may hold the SAS token, and the headers."""
        headers = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION}
        url = f"{self._base}{path}"
        if isinstance(self._credential, Key):
            text = _to_sign(method, self._credential.account, self._path + path, query, headers)
            headers["Authorization"] = f"SharedKey {self._credential.account}:{_signature(self._credential.key, text)}"
            url += f"?{_text(query)}" if query else ""
        else:
            url += f"?{_text(query)}{'&' if query else ''}{self._credential.token}"
        return url, headers


def _text(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote, safe="")


def _to_sign(method: str, account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("content-length") == "0":
        lower["content-length"] = ""
    own = [f"{name}:{lower[name]}\n" for name in sorted(lower) if name.startswith("x-ms-")]
    asked = [f"\n{name}:{query[name]}" for name in sorted(query)]
    signed = [lower.get(name, "") for name in _SIGNED]
    return "\n".join([method, *signed, f"{''.join(own)}/{account}{path}{''.join(asked)}"])


def _signature(key: str, text: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()


def _kept(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_KEPT}{name}": value for name, value in metadata.items()}


def _md5(data: Body) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _is_intact(answer: Answer) -> bool:
    """Blobs that were written in one piece have a digest."""
    told = answer.headers.get("content-md5", "")
    return not told or told == _md5(answer.data)


def _only_if(expected: str | None) -> dict[str, str]:
    if expected is None:
        return {}
    return {"If-Match": f'"{expected}"'} if expected else {"If-None-Match": "*"}


def _stored(key: str, answer: Answer, size: int) -> Stored:
    headers = answer.headers
    kept = {name[len(_KEPT) :]: value for name, value in headers.items() if name.startswith(_KEPT)}
    modified = modified_ns(headers.get("last-modified", ""))
    return Stored(key, size, version_of(headers.get("etag", "")), names_in(kept), modified)


def _blocks(document: bytes) -> dict[bytes, int] | None:
    try:
        blocks = ElementTree.fromstring(document).findall("UncommittedBlocks/Block")
        return {base64.b64decode(each.findtext("Name") or ""): int(each.findtext("Size") or "") for each in blocks}
    except (ElementTree.ParseError, LookupError, ValueError):
        return None


def _page(document: bytes) -> Page | None:
    """None also where a name can't be told in XML as it is."""
    try:
        root = ElementTree.fromstring(document)
        blobs = root.findall("Blobs/Blob")
        if any(blob.find("Name").attrib for blob in blobs):  # type: ignore[union-attr]  # every blob has one
            return None
        return Page([_blob(blob) for blob in blobs], root.findtext("NextMarker") or "")
    except (ElementTree.ParseError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _blob(blob: ElementTree.Element) -> Stored:
    told = {each.tag: each.text or "" for each in blob.find("Properties") or ()}
    kept = names_in({each.tag: each.text or "" for each in blob.find("Metadata") or ()})
    modified = modified_ns(told["Last-Modified"])
    name = blob.findtext("Name") or ""
    size, version = size_told(name, told["Content-Length"]), version_of(version_told(name, told.get("Etag")))
    return Stored(name, size, version, kept, modified)
