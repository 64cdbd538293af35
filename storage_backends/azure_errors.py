"""What Azure or its SDK means, in the words of `errors.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from azure.core import exceptions as azure

from storage_backends.errors import (
    BadCredentials,
    ChecksumMismatch,
    ConfigurationError,
    FileTooBig,
    NameTooLong,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
    UploadGone,
)
from storage_backends.names import display_path

_MEANING: dict[type[StorageError], tuple[str, ...]] = {
    NotFound: ("BlobNotFound", "ResourceNotFound", "404"),
    UploadGone: ("InvalidBlockList", "InvalidBlobOrBlock"),
    PreconditionFailed: ("ConditionNotMet", "BlobAlreadyExists", "TargetConditionNotMet", "LeaseIdMissing", "412"),
    ChecksumMismatch: ("Md5Mismatch", "InvalidMd5", "Crc64Mismatch"),
    PermissionDenied: (
        *("AuthorizationPermissionMismatch", "AuthorizationFailure", "InsufficientAccountPermissions", "BlobArchived"),
        *("AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch", "BlobImmutableDueToPolicy", "403"),
    ),
    BadCredentials: ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation", "401"),
    Throttled: ("ServerBusy", "TooManyRequests", "503", "429"),
    Unreachable: ("InternalError", "OperationTimedOut", "500", "502", "504"),
    FileTooBig: ("RequestBodyTooLarge", "BlockCountExceedsLimit", "413"),
    NameTooLong: ("InvalidResourceName", "InvalidUri"),
}
_BY_CODE = {code: kind for kind, codes in _MEANING.items() for code in codes}


@contextmanager
def translated(container: str, key: str = "") -> Iterator[None]:
    """Whatever the SDK raises inside leaves as a StorageError."""
    try:
        yield
    except azure.HttpResponseError as error:
        raise _of_server(error, container, key) from error
    except (azure.ServiceRequestError, azure.ServiceResponseError, OSError) as error:
        raise Unreachable(f"container {container} does not answer: {type(error).__name__}") from error
    except (azure.AzureError, ValueError) as error:
        raise StorageError(f"container {container}: {type(error).__name__}") from error


def _of_server(error: azure.HttpResponseError, container: str, key: str) -> StorageError:
    code, status = str(getattr(error, "error_code", "") or ""), error.status_code or 0
    what = f"'{display_path(key.encode())}' in container {container}" if key else f"container {container}"
    if code in ("ContainerNotFound", "ContainerBeingDeleted"):
        return ConfigurationError(f"container {container} does not exist; create it, or correct the storage's URL")
    if isinstance(error, azure.ClientAuthenticationError) and code not in _BY_CODE:
        return BadCredentials(f"{what}: {type(error).__name__}")
    kind = _BY_CODE.get(code) or _BY_CODE.get(str(status)) or (Unreachable if status >= 500 else StorageError)
    text = f"{what}: the server says {code or status or type(error).__name__}"
    return kind(text, retry_after_seconds=_retry_after(error) if kind is Throttled else None)


def _retry_after(error: azure.HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", {})
    with suppress(ValueError):
        return max(0.0, min(float(headers.get("Retry-After", "")), 3600.0))
    return None
