"""The one place that turns what Azure's libraries raise into errors of ours.

The service names most of its errors; where it doesn't, the status counts. Messages carry that name and never the
service's own words, which may quote what a request was signed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage_backends.errors import (
    BadCredentials,
    BadPath,
    ChecksumMismatch,
    ConfigurationError,
    FileTooBig,
    KindConflict,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
    UploadGone,
)
from storage_backends.objects.client import quoted
from storage_backends.objects.pace import retry_after_seconds

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

RETRIES = 3
RETRY_SECONDS = 1
"""The mean pause before each; the SDK draws it."""

_MEANING: dict[type[StorageError], tuple[str, ...]] = {
    NotFound: ("BlobNotFound", "ResourceNotFound", "404"),
    UploadGone: ("InvalidBlockList",),
    PreconditionFailed: (
        *("ConditionNotMet", "TargetConditionNotMet", "BlobAlreadyExists", "ResourceAlreadyExists", "412"),
        *("LeaseIdMissing", "InvalidBlobOrBlock"),
    ),
    KindConflict: ("InvalidBlobType", "ResourceTypeMismatch", "PathConflict", "DirectoryNotEmpty"),
    ChecksumMismatch: ("Md5Mismatch", "InvalidMd5", "Crc64Mismatch"),
    PermissionDenied: (
        *("AuthorizationPermissionMismatch", "AuthorizationFailure", "AuthorizationProtocolMismatch", "403"),
        *("AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch", "AuthorizationSourceIPMismatch"),
        *("InsufficientAccountPermissions", "AccountIsDisabled", "PublicAccessNotPermitted"),
        *("BlobArchived", "BlobBeingRehydrated", "BlobImmutableDueToPolicy", "SnapshotsPresent"),
    ),
    BadCredentials: ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation", "401"),
    Throttled: ("ServerBusy", "TooManyRequests", "503", "429"),
    Unreachable: ("InternalError", "OperationTimedOut", "408", "500", "502", "504"),
    FileTooBig: ("RequestBodyTooLarge", "BlockCountExceedsLimit", "413"),
    BadPath: ("InvalidResourceName", "InvalidUri"),
}
_BY_CODE = {code: kind for kind, codes in _MEANING.items() for code in codes}
_HINTS = {
    "AuthenticationFailed": "renew the key or the SAS token, and see whether the clock is right",
    "AuthorizationFailure": "see to the permissions of the credentials, and to the firewall of the account",
    "AuthorizationPermissionMismatch": "give the credentials the permission",
    "BlobArchived": "move the blob to another tier first",
    "InvalidBlobOrBlock": "an unfinished upload of somebody else holds blocks of this blob",
    "InvalidBlobType": "what stands there is no block blob; delete it",
    "LeaseIdMissing": "somebody holds a lease on it",
}


@contextmanager
def asking(container: str, key: str = "") -> Iterator[None]:
    """Around requests: what the SDK raises leaves as a StorageError that names the container, and the blob."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        from azure.core.exceptions import AzureError

        if not isinstance(error, AzureError | OSError | ValueError):
            raise
        raise failure(error, container, key) from error


def failure(error: Exception, container: str, key: str = "") -> StorageError:
    """What `error` means, which the SDK raised when it was asked for that."""
    from azure.core import exceptions as azure

    subject = f"the container '{container}'"
    if key:
        subject = f"{quoted(key)} in {subject}"
    if isinstance(error, azure.HttpResponseError) and error.status_code:
        return _answered(error, subject)
    if isinstance(error, azure.ClientAuthenticationError):
        kind = type(error).__name__
        return BadCredentials(f"{subject}: the credentials can't be used ({kind}); correct or renew them")
    if isinstance(error, azure.AzureError | OSError):
        return Unreachable(f"{subject}: Azure does not answer ({type(error).__name__})")
    if isinstance(error, azure.DeserializationError):
        return StorageError(f"{subject}: what answers is not understood; is it Azure's Blob service?")
    return StorageError(f"{subject}: Azure's library refuses this ({type(error).__name__})")


def _answered(error: HttpResponseError, subject: str) -> StorageError:
    code, status = _code(error), int(error.status_code or 0)
    text = f"{subject}: Azure says {code or status}"
    if code in ("ContainerNotFound", "ContainerBeingDeleted"):
        return ConfigurationError(f"{text}; create the container or correct the storage's URL")
    kind = _BY_CODE.get(code) or _BY_CODE.get(str(status)) or (Unreachable if status >= 500 else StorageError)
    hint = _HINTS.get(code)
    return kind(f"{text}; {hint}" if hint else text, retry_after_seconds=_retry_after(error))


def _code(error: HttpResponseError) -> str:
    """Its name for the error; empty where there is none. Known ones are members of an enumeration of the SDK's."""
    code = getattr(error, "error_code", None) or getattr(error.response, "headers", {}).get("x-ms-error-code", "")
    return str(getattr(code, "value", code))


def _retry_after(error: HttpResponseError) -> float | None:
    return retry_after_seconds(getattr(error.response, "headers", {}).get("Retry-After"))
