"""What can go wrong at a storage. The raise site decides how an error behaves; loops only ask.

`code` becomes the second half of a task's reason code (`SINK_` + `NO_SPACE`), the message its text.
Adapters wrap every third-party exception in one of these and chain the cause.
"""

from __future__ import annotations


class StorageError(Exception):
    """The storage failed."""

    code = "STORAGE_ERROR"
    #: Another attempt at the same file may succeed without anybody doing anything.
    retryable = True
    #: Somebody has to change the world first (permission, space, credentials); the next scan tries again.
    environmental = False
    #: The file is not to blame, so the attempt is given back.
    costs_attempt = True
    #: The name is not there.
    not_found = False

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.retry_after_seconds = retry_after_seconds


class NotFound(StorageError):
    """There is no such file."""

    code = "NOT_FOUND"
    retryable = False
    not_found = True


class BadPath(StorageError):
    """The path is not canonical: no empty, '.' or '..' component, no leading '/', no NUL."""

    code = "BAD_PATH"
    retryable = False


class NameTooLong(StorageError):
    """The name is longer than this storage can hold."""

    code = "NAME_TOO_LONG"
    retryable = False


class NameCollision(StorageError):
    """The storage takes this name and another one for the same."""

    code = "NAME_COLLISION"
    retryable = False


class SymlinkRefused(StorageError):
    """A directory on the way is a symbolic link; SyncF never follows one."""

    code = "SYMLINK_REFUSED"
    retryable = False
    environmental = True


class NotRegular(StorageError):
    """It is not a regular file (any more)."""

    code = "NOT_REGULAR"
    retryable = False


class KindConflict(StorageError):
    """A directory stands where a file belongs, or a file where a directory belongs."""

    code = "KIND_CONFLICT"
    retryable = False
    environmental = True


class PermissionDenied(StorageError):
    """The storage does not let this process do that."""

    code = "PERMISSION_DENIED"
    retryable = False
    environmental = True


class ReadOnly(StorageError):
    """The storage is mounted read-only."""

    code = "READ_ONLY"
    retryable = False
    environmental = True


class NoSpace(StorageError):
    """There is no room left."""

    code = "NO_SPACE"
    environmental = True
    costs_attempt = False


class QuotaExceeded(NoSpace):
    """The quota is used up."""

    code = "QUOTA_EXCEEDED"


class InputOutputError(StorageError):
    """The device reported an error; bytes written since the last checkpoint can't be trusted."""

    code = "IO_ERROR"
    environmental = True


class Unreachable(StorageError):
    """The storage does not answer."""

    code = "UNREACHABLE"
    environmental = True
    costs_attempt = False


class RootChanged(Unreachable):
    """The root lies on another device than when the job was scanned: an unmounted disk, most likely."""

    code = "ROOT_CHANGED"


class Throttled(Unreachable):
    """The storage asks to slow down."""

    code = "THROTTLED"


class BadCredentials(StorageError):
    """The storage does not accept the credentials."""

    code = "BAD_CREDENTIALS"
    retryable = False
    environmental = True


class VersionChanged(StorageError):
    """It is no longer the version that was asked for."""

    code = "CHANGED"


class PartialBusy(StorageError):
    """Another process still holds the partial."""

    code = "PARTIAL_BUSY"
    costs_attempt = False


class UploadGone(StorageError):
    """The storage knows nothing of this upload: begin again."""

    code = "UPLOAD_GONE"


class ChecksumMismatch(StorageError):
    """What was read back differs from what was written."""

    code = "CHECKSUM_MISMATCH"


class PreconditionFailed(StorageError):
    """The name was taken by somebody else in the meantime."""

    code = "PRECONDITION_FAILED"


class Overlap(StorageError):
    """The listing came upon the root of the other side."""

    code = "PATHS_OVERLAP"
    retryable = False
    environmental = True


class ConfigurationError(StorageError):
    """The storage's URL or its SDK is missing or wrong."""

    code = "CONFIGURATION"
    retryable = False
    environmental = True


class FileTooBig(StorageError):
    """The file is larger than this storage can hold."""

    code = "FILE_TOO_BIG"
    retryable = False
