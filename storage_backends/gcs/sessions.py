"""Requests to the URI of a resumable upload.

The SDK begins such uploads but can't go on with one of another process; what it takes is plain HTTP. Whoever knows the
URI may write to the object: it is kept out of messages, causes and logs, those of the libraries included.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError, ServiceUnavailable, from_http_response, from_http_status

from storage_backends.errors import StorageError, UploadGone
from storage_backends.gcs.failures import RETRY, TIMEOUT, asking
from storage_backends.gcs.progress import FINISHED, INCOMPLETE, Chunk, Progress, held_bytes
from storage_backends.objects.body import Body

GONE = (404, 410, 499)


class Sessions:
    """Tried again by the SDK's own rules. `subject` begins the message of an error. Raises UploadGone, too."""

    def __init__(self, http: requests.Session) -> None:
        self._http = http

    def ask(self, uri: str, size: int, subject: str) -> Progress:
        """How far the upload of an object of `size` bytes has come. Not for empty ones: that would finish them."""
        with asking(subject):
            progress: Progress = RETRY(self._ask)(uri, size)
            return progress

    def send(self, uri: str, chunk: Chunk, known: Progress | None, subject: str) -> Progress:
        """What the service does not hold of it, until it does. `known`: what it said last, if that still holds."""

        def attempt() -> Progress:
            nonlocal known
            progress, known = known or self._ask(uri, chunk.size), None
            while progress.held_bytes < chunk.end:
                held = progress.held_bytes
                if held < chunk.first:
                    raise StorageError(f"{subject}: the storage lost what it held; the upload goes on from there")
                rest = chunk.rest(held)
                progress = self._put(uri, rest.headers(), rest.data, chunk.size)
                if progress.held_bytes <= held:
                    raise ServiceUnavailable("it takes no bytes")
            return progress

        with asking(subject):
            progress: Progress = RETRY(attempt)()
            return progress

    def cancel(self, uri: str, subject: str) -> None:
        """One that is finished or gone is none."""
        with asking(subject):
            RETRY(self._cancel)(uri)

    def close(self) -> None:
        """Idempotent."""
        self._http.close()

    def _ask(self, uri: str, size: int) -> Progress:
        return self._put(uri, {"Content-Range": f"bytes */{size}"}, b"", size)

    def _cancel(self, uri: str) -> None:
        response = self._request("DELETE", uri, {"Content-Length": "0"})
        if response.status_code not in GONE and not response.ok:
            raise _refused(response)

    def _put(self, uri: str, headers: Mapping[str, str], data: bytes | memoryview, size: int) -> Progress:
        response = self._request("PUT", uri, headers, data)
        if response.status_code in FINISHED:
            return Progress(size, _object_in(response))
        if response.status_code == INCOMPLETE:
            return Progress(held_bytes(response.headers.get("Range", "")))
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


def _hide_uris(record: logging.LogRecord) -> bool:
    """urllib3 logs each request's path at DEBUG."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            re.sub(r"(upload_id=)[^&\s]+", r"\1…", value) if isinstance(value, str) else value for value in record.args
        )
    return True


logging.getLogger("urllib3.connectionpool").addFilter(_hide_uris)
