"""The few requests that make up nearly all of a sync, sent without the SDK, at a fraction of its CPU time.

What goes the SDK's way: an error, a lost connection, a key that might be spelt otherwise. The CRC32C of what is written
goes with it for the service to compare, and that of what is read whole is compared here.

https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from google_crc32c import value

from storage_backends.errors import NotFound
from storage_backends.gcs.describing import LISTED_FIELDS, preconditions, stored_from
from storage_backends.objects.client import Page, Stored, quoted
from storage_backends.objects.connection import CONNECT_SECONDS, READ_SECONDS
from storage_backends.objects.http import PLAIN_KEY, Answer, Ask, Http, Talk
from storage_backends.objects.shorter import ShorterWay
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from storage_backends.registry import importing

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

PUBLIC = "https://storage.googleapis.com"
CONTENT_TYPE = "application/octet-stream"
CONNECTIONS = REQUESTS_IN_FLIGHT + 4
"""Kept open: what small objects and ranges use at once, an upload, and the caller itself."""
WORTH_LISTING, LARGEST_PAGE = 8, 1000
"""Objects."""
FINE = (200, 206)
AS_STORED = {"Accept-Encoding": "gzip"}
"""Else what is stored packed is unpacked by the service."""
_PARTS = (
    b"--%(mark)s\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n%(about)s\r\n"
    b"--%(mark)s\r\ncontent-type: %(type)s\r\n\r\n%(data)s\r\n--%(mark)s--"
)


class Wire(ShorterWay):
    """One bucket, used by many threads at once. `endpoint` is empty for the public service."""

    http: Http

    def __init__(self, bucket: str, endpoint: str, credentials: Credentials | None, http: Http) -> None:
        self._bucket, self._endpoint, self._credentials = bucket, endpoint or PUBLIC, credentials
        self.http = http
        self._asking_for_tokens = _asking() if credentials else None

    def page(self, prefix: str, token: str, most: int | None = None, start: str = "") -> Page | None:
        """From the key `start` on."""
        wanted = {"prefix": prefix, "pageToken": token, "maxResults": str(most or ""), "startOffset": start}
        wanted["fields"] = LISTED_FIELDS
        found = self._json("/storage", "", {name: value for name, value in wanted.items() if value})
        if found is None:
            return None
        try:
            return Page(list(map(stored_from, found.get("items", ()))), found.get("nextPageToken", ""))
        except (KeyError, TypeError, ValueError):
            return None

    def look(self, key: str) -> Stored | None:
        found = self._json("/storage", key, {"projection": "noAcl"}) if PLAIN_KEY.fullmatch(key) else None
        return _described(found)

    def look_at_many(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Where they lie close together, one listing tells of all of them."""
        if len(keys) < WORTH_LISTING:
            return {}
        page = self.page(_common(min(keys), max(keys)), "", min(LARGEST_PAGE, 2 * len(keys)), start=keys[0])
        wanted = set(keys)
        return {found.key: found for found in (page.objects if page else ()) if found.key in wanted}

    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> bool:
        """Fill `buffer` with bytes of that version; none of them are unpacked."""
        if not PLAIN_KEY.fullmatch(key):
            return False
        query = {"alt": "media", **_only_if(version)}
        headers = {"Range": f"bytes={offset}-{offset + len(buffer) - 1}", **AS_STORED}
        asked = self._allowed("GET", self._url("/download/storage", key, query), headers)
        return asked is not None and self.http.fetch_into(*asked, buffer)

    def reading_back(self, key: str, version: str, size: int) -> Talk[bytes | None]:
        if not PLAIN_KEY.fullmatch(key):
            return None
        ask = self._ask("GET", "/download/storage", key, {"alt": "media", **_only_if(version)}, AS_STORED)
        answer = (yield ask._replace(most_bytes=size)) if ask else None
        if answer is None or answer.status not in FINE or len(answer.data) != size:
            return None
        return answer.data if f"crc32c={_encoded(answer.data)}" in answer.headers.get("x-goog-hash", "") else None

    def putting(
        self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        if not PLAIN_KEY.fullmatch(key):
            return None
        data, mark = bytes(data), secrets.token_hex(16).encode()
        about = {"name": key, "metadata": dict(metadata), "contentType": CONTENT_TYPE, "crc32c": _encoded(data)}
        parts = {b"mark": mark, b"about": json.dumps(about).encode(), b"type": CONTENT_TYPE.encode(), b"data": data}
        headers = {"Content-Type": f'multipart/related; boundary="{mark.decode()}"'}
        ask = self._upload("multipart", expected, headers, _PARTS % parts)
        found = _told((yield ask)) if ask else None
        return _described(found)

    def upload(self, kind: str, expected: str, headers: Mapping[str, str], data: bytes) -> Answer | None:
        """Begin one of that kind."""
        ask = self._upload(kind, expected, headers, data)
        return self.http.answer(ask) if ask else None

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _json(self, service: str, key: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Raises NotFound: of a missing bucket the service speaks otherwise."""
        ask = self._ask("GET", service, key, query, {})
        answer = self.http.answer(ask) if ask else None
        if answer is not None and answer.status == 404 and b"No such object" in answer.data:
            raise NotFound(f"there is no {quoted(key)}")
        return _told(answer)

    def _upload(self, kind: str, expected: str | None, headers: Mapping[str, str], data: bytes) -> Ask | None:
        return self._ask("POST", "/upload/storage", "", {"uploadType": kind, **_only_if(expected)}, headers, data)

    def _ask(
        self,
        method: str,
        service: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        data: bytes = b"",
    ) -> Ask | None:
        """None without a token that is good now."""
        headers = {**headers, "Content-Length": str(len(data))} if data else headers
        asked = self._allowed(method, self._url(service, key, query), headers)
        return Ask(method, *asked, data) if asked else None

    def _url(self, service: str, key: str, query: Mapping[str, str]) -> str:
        name = f"/{quote(key, safe='')}" if key else ""
        return f"{self._endpoint}{service}/v1/b/{self._bucket}/o{name}?{urlencode(query, quote_via=quote, safe='')}"

    def _allowed(self, method: str, url: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
        """The URL and the headers, a token that is good now among them; None where there is none."""
        headers = dict(headers)
        if self._credentials:
            from google.auth.exceptions import GoogleAuthError
            from urllib3.exceptions import HTTPError

            try:
                self._credentials.before_request(self._asking_for_tokens, method, url, headers)
            except (GoogleAuthError, HTTPError, OSError):
                return None
        return url, headers


def _told(answer: Answer | None) -> dict[str, Any] | None:
    """The JSON of what went well."""
    try:
        found = json.loads(answer.data) if answer is not None and answer.status in FINE else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _described(found: dict[str, Any] | None) -> Stored | None:
    """None also where it describes no object."""
    with suppress(ValueError):
        return None if found is None else stored_from(found)
    return None


def _only_if(version: str | None) -> dict[str, str]:
    return {f"if{name.capitalize()}Match": str(number) for name, number in preconditions(version).items()}


def _encoded(data: bytes) -> str:
    return base64.b64encode(value(data).to_bytes(4, "big")).decode()


def _asking() -> Any:
    """For tokens, whoever hands them out."""
    with importing("gs"):
        import urllib3
        from certifi import where
        from google.auth.transport.urllib3 import Request

    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    return Request(urllib3.PoolManager(retries=False, timeout=timeout, ca_certs=where()))


def _common(first: str, last: str) -> str:
    """What both begin with, and so everything between them."""
    length = next(
        (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]
