"""What an S3 server or boto3 means, in the words of `errors.py`. boto3 is looked at only when something went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage_backends.errors import (
    BadCredentials,
    ChecksumMismatch,
    ConfigurationError,
    FileTooBig,
    NameTooLong,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    Throttled,
    Unreachable,
    UploadGone,
)
from storage_backends.objects.client import quoted
from storage_backends.objects.pace import retry_after_seconds

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class NotImplementedThere(StorageError):
    """The server says that it does not know this request."""

    retryable = False


_MEANING: dict[type[StorageError], tuple[str, ...]] = {
    NotFound: ("NoSuchKey", "NoSuchVersion", "404", "NotFound"),
    UploadGone: ("NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"),
    PreconditionFailed: ("PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted"),
    ChecksumMismatch: ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    PermissionDenied: ("AccessDenied", "AllAccessDisabled", "403", "Forbidden", "InvalidObjectState"),
    BadCredentials: (
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
        *("RequestTimeTooSkewed", "InvalidClientTokenId", "ExpiredTokenException", "RequestExpired", "401"),
    ),
    Throttled: (
        *("SlowDown", "ServiceUnavailable", "503", "429", "Throttling", "ThrottlingException", "TooManyRequests"),
        *("RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequestsException"),
    ),
    Unreachable: ("InternalError", "500", "502", "504", "RequestTimeout", "TemporaryRedirect", "302", "303", "307"),
    ConfigurationError: ("PermanentRedirect", "301", "308"),
    FileTooBig: ("EntityTooLarge",),
    NameTooLong: ("KeyTooLongError",),
    QuotaExceeded: ("QuotaExceeded", "TooMuchData", "InsufficientStorage", "507"),
    NotImplementedThere: ("NotImplemented",),  # the server's own word; a bare 501 may be anybody's in between
}
_ELSEWHERE = (301, 302, 303, 307, 308)
"""Where the region is told, boto3 has gone there."""
_BY_CODE = {code: kind for kind, codes in _MEANING.items() for code in codes}


@contextmanager
def asking(bucket: str, key: str = "") -> Iterator[None]:
    """Around requests: what boto3 raises leaves as a StorageError that names the bucket, and the object."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        meant = failure(error, bucket, key)
        if meant is None:
            raise
        raise meant from error


def failure(error: Exception, bucket: str, key: str = "") -> StorageError | None:
    """What `error` means, which boto3 raised when it was asked for that; None for a mistake of ours."""
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    no_credentials = (
        *(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        *(boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError),
    )
    configuration = (
        *(boto.ProfileNotFound, boto.ConfigNotFound, boto.ConfigParseError, boto.InvalidEndpointConfigurationError),
        UnicodeError,
    )
    if isinstance(error, boto.ClientError):
        return _answered(error, bucket, key)
    if isinstance(error, no_credentials):
        return BadCredentials(f"there are no credentials for bucket {bucket}: {error}")
    if isinstance(error, configuration):
        return ConfigurationError(f"bucket {bucket}: {error}")
    if isinstance(error, ValueError | LookupError):
        why = f"it says no {error}" if isinstance(error, KeyError) else error
        return StorageError(f"bucket {bucket}: what answers is not understood ({why}); is it an S3 server?")
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | boto.IncompleteReadError | HTTPError | OSError):
        return Unreachable(f"bucket {bucket} does not answer: {type(error).__name__}")
    return StorageError(f"bucket {bucket}: {error}") if isinstance(error, boto.BotoCoreError) else None


def _answered(error: ClientError, bucket: str, key: str) -> StorageError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = f"{quoted(key)} in bucket {bucket}" if key else f"bucket {bucket}"
    if code == "NoSuchBucket":
        return ConfigurationError(f"bucket {bucket} does not exist; create it, or correct the storage's URL")
    if code == "InvalidObjectState":
        return PermissionDenied(f"{what} is archived; restore it first")
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    kind = _BY_CODE.get(code) or _BY_CODE.get(str(status)) or (Unreachable if status >= 500 else StorageError)
    if status in _ELSEWHERE:
        way = "correct endpoint_url or region in the storage's URL"
        return kind(f"{what}: the server sends every request elsewhere ({status}); {way}")
    text = f"{what}: the server says {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
    return kind(text, retry_after_seconds=retry_after_seconds(headers.get("retry-after")))
