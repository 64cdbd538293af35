"""The few requests that make up nearly all of a sync, without boto3, which takes a quarter of a second to be imported
and five times as long for each.

What goes boto3's way: an error, a lost connection, a key that might be spelt otherwise.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from storage_backends.errors import NotFound
from storage_backends.objects.client import Page, Stored, modified_ns, quoted, whole_seconds_ns
from storage_backends.objects.connection import Body
from storage_backends.objects.http import PLAIN_KEY, Answer, Ask, Http, Talk
from storage_backends.objects.pages import size_told
from storage_backends.objects.shorter import ShorterWay
from storage_backends.s3.place import Keys, Place

_KEPT = "x-amz-meta-"
_NOTHING = hashlib.sha256().hexdigest()
"""Of the body of a request that has none."""


class Wire(ShorterWay):
    """One bucket, used by many threads at once."""

    http: Http

    def __init__(self, place: Place, keys: Callable[[], Keys | None], http: Http) -> None:
        """`keys` tells those that are good now, or None. The place names its region."""
        self._base, self._region = address_of(place), place.region or ""
        self._keys, self.http = keys, http

    def page(self, prefix: str, token: str, most: int | None = None) -> Page | None:
        wanted = {"continuation-token": token, "list-type": "2", "max-keys": str(most or ""), "prefix": prefix}
        query = {name: value for name, value in wanted.items() if value}
        bucket = "" if urlsplit(self._base).path else "/"
        ask = self.ask("GET", f"{bucket}?{urlencode(query, quote_via=quote, safe='')}", {})
        answer = self.http.answer(ask) if ask else None
        return _page(answer.data) if answer is not None and answer.status == 200 else None

    def look(self, key: str) -> Stored | None:
        ask = self.ask("HEAD", f"/{key}", {}) if PLAIN_KEY.fullmatch(key) else None
        answer = self.http.answer(ask) if ask else None
        if answer is not None and answer.status == 404:
            raise NotFound(f"there is no {quoted(key)}")
        size = answer.headers.get("content-length", "") if answer is not None and answer.status == 200 else ""
        return _stored(key, answer, int(size)) if answer is not None and size.isdecimal() else None

    def reading_back(self, key: str, version: str, size: int) -> Talk[bytes | None]:
        found = yield from self.getting(key, size, version)
        return found[1] if found else None

    def getting(self, key: str, max_bytes: int, etag: str = "") -> Talk[tuple[Stored, bytes] | None]:
        """A small object, of that version if one is named."""
        ask = self.ask("GET", f"/{key}", {"if-match": etag} if etag else {}) if PLAIN_KEY.fullmatch(key) else None
        if ask is None:
            return None
        answer = yield ask._replace(most_bytes=max_bytes)
        if answer is None or answer.status != 200:
            return None
        return _stored(key, answer, len(answer.data)), answer.data

    def putting(
        self, key: str, data: Body, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        headers = {"content-length": str(len(data)), **kept_as(metadata), **_only_if(expected)}
        ask = self.ask("PUT", f"/{key}", headers, data) if PLAIN_KEY.fullmatch(key) else None
        if ask is None:
            return None
        answer = yield ask
        if answer is None or answer.status != 200 or not answer.headers.get("etag"):
            return None
        return Stored(key, len(data), answer.headers["etag"], metadata)

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> bool:
        wanted = {"range": f"bytes={offset}-{offset + len(buffer) - 1}", "if-match": version}
        ask = self.ask("GET", f"/{key}", wanted) if PLAIN_KEY.fullmatch(key) else None
        return ask is not None and self.http.fetch_into(ask.url, ask.headers, buffer)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Body = b"", sha256: bytes = b""
    ) -> Ask | None:
        """Signed; None without keys. `sha256`: of the body, where it is known."""
        keys, url = self._keys(), f"{self._base}{path}"
        if keys is None:
            return None
        digest = (sha256 or hashlib.sha256(body).digest()).hex() if body else _NOTHING
        return Ask(method, url, signed(method, url, headers, keys, self._region, datetime.now(UTC), digest), body)


def address_of(place: Place) -> str:
    """Of a bucket, as boto3 spells it, without a slash at the end."""
    if place.endpoint_url:
        return f"{place.endpoint_url.rstrip('/')}/{place.bucket}"
    if "." in place.bucket:  # which no certificate of theirs covers
        return f"https://s3.{place.region}.amazonaws.com/{place.bucket}"
    return f"https://{place.bucket}.s3.{place.region}.amazonaws.com"


def signed(
    method: str, url: str, headers: Mapping[str, str], keys: Keys, region: str, now: datetime, digest: str = _NOTHING
) -> dict[str, str]:
    """`headers`, whose names are in lower case, and what shows who asks. `url` needs no quoting, and its query is in
    order; `digest` is the body's, SHA-256 in hexadecimal."""
    _, _, place = url.partition("://")
    host, _, path = place.partition("/")
    path, _, query = path.partition("?")
    query, moment = query if "=" in query or not query else f"{query}=", f"{now:%Y%m%dT%H%M%SZ}"
    all_headers = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    all_headers |= {"x-amz-security-token": keys.token} if keys.token else {}
    in_order = sorted(all_headers)
    names, lines = ";".join(in_order), "".join([f"{name}:{all_headers[name]}\n" for name in in_order])
    request = f"{method}\n/{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_key_for(keys.secret_key, scope), text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}"
    return {**all_headers, "authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"}


@lru_cache(maxsize=4)
def _key_for(secret: str, scope: str) -> bytes:
    """Of a day."""
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key


def kept_as(metadata: Mapping[str, str]) -> dict[str, str]:
    """Headers that an object keeps."""
    return {f"{_KEPT}{name}": value for name, value in metadata.items()}


def _only_if(expected: str | None) -> dict[str, str]:
    if expected is None:
        return {}
    return {"if-match": expected} if expected else {"if-none-match": "*"}


def _stored(key: str, answer: Answer, size: int) -> Stored:
    headers = answer.headers
    kept = {name.removeprefix(_KEPT): value for name, value in headers.items() if name.startswith(_KEPT)}
    return Stored(key, size, headers.get("etag", ""), kept, modified_ns(headers.get("last-modified", "")))


def _page(document: bytes) -> Page | None:
    """None also where a key holds what XML can't tell as it is, or may have told otherwise."""
    try:
        root = ElementTree.fromstring(document)
        space = root.tag.removesuffix("ListBucketResult")
        found = [{each.tag.removeprefix(space): each.text or "" for each in entry} for entry in root]
        objects = [_listed(told) for entry, told in zip(root, found, strict=True) if entry.tag == f"{space}Contents"]
        is_cut = root.findtext(f"{space}IsTruncated") == "true"
        token = root.findtext(f"{space}NextContinuationToken") or ""
    except (ElementTree.ParseError, LookupError, ValueError):
        return None
    is_odd = any(not each.key or not each.version or "\n" in each.key for each in objects)
    is_listing = root.tag.endswith("ListBucketResult") and is_cut == bool(token)
    return Page(objects, token) if is_listing and not is_odd else None


def _listed(told: Mapping[str, str]) -> Stored:
    modified = datetime.fromisoformat(told["LastModified"])
    return Stored(told["Key"], size_told(told["Key"], told["Size"]), told["ETag"], None, whole_seconds_ns(modified))
