"""The one place that turns what Google's libraries raise into errors of ours.

Every request is tried again by the SDK's own rules (no connection, time-outs, 408, 429, 5xx) for a few seconds. What is
still wrong then is told here, with the words of the service and never with a URL: that of an upload is a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError, from_http_response
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from storage_backends.errors import (
    BadCredentials,
    ChecksumMismatch,
    ConfigurationError,
    FileTooBig,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
)
from storage_backends.objects.connection import CONNECT_SECONDS, READ_SECONDS
from storage_backends.objects.pace import retry_after_seconds

TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
RETRY = DEFAULT_RETRY.with_delay(initial=0.25, maximum=4.0).with_timeout(15.0)

RAISED = (
    GoogleAPIError,
    GoogleAuthError,
    InvalidResponse,
    DataCorruption,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
)
NOT_UNDERSTOOD = (ValueError, LookupError, TypeError, AttributeError)
"""What the SDK raises where JSON is of another kind than it expects."""
_BY_STATUS: dict[int, type[StorageError]] = {
    401: BadCredentials,
    403: PermissionDenied,
    404: NotFound,
    408: Unreachable,
    412: PreconditionFailed,
    413: FileTooBig,
    429: Throttled,
    500: Unreachable,
    502: Unreachable,
    503: Throttled,
    504: Unreachable,
}
_RATE_LIMITS = ("rateLimitExceeded", "userRateLimitExceeded")


@contextmanager
def asking(subject: str) -> Iterator[None]:
    """Around requests. `subject` begins the message: the object or the bucket, in quotes."""
    try:
        yield
    except RAISED as error:
        raise failure(error, subject) from error
    except NOT_UNDERSTOOD as error:
        raise StorageError(f"{subject}: what answers is not understood ({error}); is it the service?") from error


def failure(error: Exception, subject: str) -> StorageError:
    """What `error`, one of `RAISED`, means."""
    if isinstance(error, RetryError) and error.cause is not None:
        return failure(error.cause, subject)
    if isinstance(error, InvalidResponse):
        error = from_http_response(error.response)
    if isinstance(error, GoogleAPICallError):
        return _answered(error, subject)
    if isinstance(error, DataCorruption):
        return ChecksumMismatch(f"{subject}: other bytes arrived than the storage sent")
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError) and not error.retryable:
        kind = type(error).__name__
        return BadCredentials(f"{subject}: the credentials are not accepted by Google ({kind}); renew them")
    return Unreachable(f"{subject}: Google Cloud Storage does not answer ({type(error).__name__})")


def _answered(error: GoogleAPICallError, subject: str) -> StorageError:
    said, reason = _words(error)
    text = f"{subject}: Google Cloud Storage says {error.code}, {said}"
    if said.startswith("The specified bucket does not exist"):
        return ConfigurationError(f"{text}; create the bucket or correct the storage's URL")
    if error.code == 400 and "match calculated" in said:
        return ChecksumMismatch(f"{subject}: other bytes arrived at the storage than were sent")
    if error.code == 403 and reason in _RATE_LIMITS:
        return Throttled(text, retry_after_seconds=_retry_after(error))
    kind = _BY_STATUS.get(int(error.code or 0), StorageError)
    return kind(text, retry_after_seconds=_retry_after(error))


def _words(error: GoogleAPICallError) -> tuple[str, str]:
    """The service's own message and reason; of an answer without any, what the status means."""
    errors = error.errors or (error.response is not None and from_http_response(error.response).errors) or ()
    first = next((each for each in errors if isinstance(each, dict)), {})
    said = " ".join(str(first.get("message") or getattr(error.response, "reason", None) or "no reason").split())
    return said[:300], str(first.get("reason", ""))


def _retry_after(error: GoogleAPICallError) -> float | None:
    return retry_after_seconds(getattr(error.response, "headers", {}).get("Retry-After"))
