"""Requests to the URI of a resumable upload.

The SDK begins such uploads but can't go on with one of another process; what it takes is plain HTTP. Whoever knows the
URI may write to the object: it is kept out of messages, causes and logs, those of the libraries included.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
from google.api_core.exceptions import GoogleAPICallError, from_http_response, from_http_status

from storage_backends.errors import UploadGone
from storage_backends.gcs.failures import TIMEOUT
from storage_backends.gcs.storage import QUANTUM_BYTES
from storage_backends.objects.body import Body

FINISHED, INCOMPLETE, GONE = (200, 201), 308, (404, 410, 499)


class Progress(NamedTuple):
    """What the service says of an upload."""

    held_bytes: int
    """From the beginning of the object, without a gap."""
    finished: Mapping[str, Any] | None = None
    """The new object, once the last byte arrived."""


class Sessions:
    """Raises what `requests` and Google's libraries raise, which callers translate, and UploadGone."""

    def __init__(self, http: requests.Session) -> None:
        self._http = http

    def ask(self, uri: str, size: int) -> Progress:
        """How far the upload of an object of `size` bytes has come. Not for empty ones: that would finish them."""
        return self._put(uri, {"Content-Range": f"bytes */{size}"}, b"", size)

    def send(self, uri: str, offset: int, data: memoryview, size: int, crc32c: int | None = None) -> Progress:
        """The bytes from `offset` on; the service may keep fewer. The last one finishes the object, unless `crc32c`, if
        given, is not that of all its bytes."""
        headers = {"Content-Range": f"bytes {offset}-{offset + len(data) - 1}/{size}"}
        if crc32c is not None:
            headers["x-goog-hash"] = f"crc32c={encoded(crc32c)}"
        return self._put(uri, headers, data, size)

    def cancel(self, uri: str) -> None:
        """One that is finished or gone is none."""
        response = self._request("DELETE", uri, {"Content-Length": "0"})
        if response.status_code not in GONE and not response.ok:
            raise _refused(response)

    def close(self) -> None:
        """Idempotent."""
        self._http.close()

    def _put(self, uri: str, headers: Mapping[str, str], data: bytes | memoryview, size: int) -> Progress:
        response = self._request("PUT", uri, headers, data)
        if response.status_code in FINISHED:
            return Progress(size, _object_in(response))
        if response.status_code == INCOMPLETE:
            return Progress(_held_bytes(response.headers.get("Range", "")))
        if response.status_code in GONE:
            raise UploadGone("Google Cloud Storage knows nothing of this upload any more; it begins again")
        raise _refused(response)

    def _request(
        self, method: str, uri: str, headers: Mapping[str, str], data: bytes | memoryview = b""
    ) -> requests.Response:
        try:
            # As a file it is sent in small pieces: the time-out holds for each, and not for a part on a slow line.
            body = Body(data) if data else b""
            return self._http.request(method, uri, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise type(error)("no answer") from None  # its own words and causes show the URI


def _object_in(response: requests.Response) -> Mapping[str, Any]:
    """Raises ValueError, too."""
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError("it describes no object")
    return found


def _refused(response: requests.Response) -> GoogleAPICallError:
    """Without the URI, which `from_http_response` puts into the message."""
    errors = from_http_response(response).errors
    error: GoogleAPICallError = from_http_status(
        response.status_code, response.reason or "", errors=errors, response=response
    )
    return error


def encoded(crc32c: int) -> str:
    """As the service writes a CRC32C."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def _held_bytes(header: str) -> int:
    """`bytes=0-LAST`, or nothing. Less than the service can keep means nothing as well."""
    match = re.fullmatch(r"bytes=0-(\d+)", header)
    held = int(match[1]) + 1 if match else 0
    return held if held >= QUANTUM_BYTES else 0


def _hide_uris(record: logging.LogRecord) -> bool:
    """urllib3 logs each request's path at DEBUG."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            re.sub(r"(upload_id=)[^&\s]+", r"\1…", value) if isinstance(value, str) else value for value in record.args
        )
    return True


logging.getLogger("urllib3.connectionpool").addFilter(_hide_uris)
