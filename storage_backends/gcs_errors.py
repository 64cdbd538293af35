"""What Google Cloud Storage or its SDK means, in the words of `errors.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests
from google.api_core import exceptions as google
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

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
from storage_backends.names import display_path

_MEANING: dict[int, type[StorageError]] = {
    401: BadCredentials,
    403: PermissionDenied,
    404: NotFound,
    408: Unreachable,
    412: PreconditionFailed,
    413: FileTooBig,
    429: Throttled,
    503: Throttled,
}


@contextmanager
def translated(bucket: str, key: str = "") -> Iterator[None]:
    """Whatever the SDK raises inside leaves as a StorageError."""
    try:
        yield
    except google.GoogleAPICallError as error:
        retry_after = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
        raise of_status(int(error.code or 0), bucket, key, retry_after, str(error.message)) from error
    except InvalidResponse as error:
        raise of_status(int(error.response.status_code), bucket, key) from error
    except DataCorruption as error:
        raise ChecksumMismatch(f"'{display_path(key.encode())}' in bucket {bucket}: wrong checksum") from error
    except (auth.TransportError, requests.RequestException, google.RetryError, OSError) as error:
        raise Unreachable(f"bucket {bucket} does not answer: {type(error).__name__}") from error
    except auth.GoogleAuthError as error:
        raise BadCredentials(f"there are no usable credentials for bucket {bucket}: {type(error).__name__}") from error
    except ValueError as error:
        raise StorageError(f"bucket {bucket}: {type(error).__name__}") from error


def of_status(status: int, bucket: str, key: str, retry_after: str = "", message: str = "") -> StorageError:
    """The error for an HTTP status."""
    what = f"'{display_path(key.encode())}' in bucket {bucket}" if key else f"bucket {bucket}"
    if status == 404 and not key:
        return ConfigurationError(f"bucket {bucket} does not exist; create it, or correct the storage's URL")
    if status == 400 and ("checksum" in message.lower() or "hash" in message.lower()):
        return ChecksumMismatch(f"{what}: the server received other bytes than were sent")
    kind = _MEANING.get(status) or (Unreachable if status >= 500 else StorageError)
    return kind(
        f"{what}: the server says {status}", retry_after_seconds=_seconds(retry_after) if kind is Throttled else None
    )


def _seconds(text: str) -> float | None:
    with suppress(ValueError):
        return max(0.0, min(float(text), 3600.0))
    return None
