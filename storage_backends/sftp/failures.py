"""What an SFTP server means, in the words of `errors.py`. It knows few words itself: most failures are just FAILURE."""

from __future__ import annotations

import errno

from storage_backends.errors import NameTooLong, NotFound, PermissionDenied, StorageError
from storage_backends.names import display_path

MOST_NAME_BYTES = 255


def failure(error: OSError, path: bytes) -> StorageError:
    """What `error` means for `path`; raise it `from error`."""
    shown = f"'{display_path(path)}'" if path else "the root"
    if error.errno == errno.ENOENT:
        return NotFound(f"there is no {shown}" if path else "the directory does not exist")
    if error.errno == errno.EACCES:
        return PermissionDenied(f"the server does not permit that at {shown}; check mode and owner, also above")
    if any(len(name) > MOST_NAME_BYTES for name in path.split(b"/")):
        return NameTooLong(f"{shown}: the server refuses a name of more than {MOST_NAME_BYTES} bytes; shorten it")
    return StorageError(f"{shown}: the server says {str(error) or 'Failure'}")
