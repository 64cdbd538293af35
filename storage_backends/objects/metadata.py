"""Times, modes and digests as user metadata of an object.

The names are in lower case with dashes, as HTTP headers have them; a service that wants others translates. `mtime`, as
rclone writes it (seconds, as a decimal fraction), is read and never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from storage_backends.base import Attributes, FileInfo, Kind
from storage_backends.objects.client import Stored

MTIME, MODE, UID, GID = "syncf-mtime-ns", "syncf-mode", "syncf-uid", "syncf-gid"
SHA256, UPLOAD = "syncf-sha256", "syncf-upload"
RCLONE_MTIME = "mtime"
_END_OF_TIME_NS = 1_000_000_000 << 62
"""No system takes a time beyond; a file's own may well be beyond 64 bits of nanoseconds."""
_NOBODY = (1 << 32) - 1
"""To the kernel, -1: whoever it is now."""


def encode(attributes: Attributes, *, sha256: bytes | None = None, upload: str = "") -> dict[str, str]:
    """The metadata of a new object. `upload` is the token's nonce, by which a commit is recognised afterwards."""
    mode = None if attributes.mode is None else f"{attributes.mode:04o}"
    values = {
        MTIME: attributes.mtime_ns,
        MODE: mode,
        UID: attributes.uid,
        GID: attributes.gid,
        SHA256: sha256.hex() if sha256 else None,
        UPLOAD: upload or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def is_of(stored: Stored, nonce: str) -> bool:
    """Whether the upload of this nonce made it."""
    return (stored.metadata or {}).get(UPLOAD) == nonce


def describe(path: bytes, stored: Stored) -> FileInfo:
    """What a storage shows of an object. Metadata that others wrote wrongly counts as absent."""
    found = stored.metadata or {}
    mode = _number(found.get(MODE), base=8)
    return FileInfo(
        path,
        Kind.FILE,
        stored.size,
        None,
        stored.version,
        mode=None if mode is None else mode & 0o7777,
        uid=_owner(found.get(UID)),
        gid=_owner(found.get(GID)),
        sha256=_digest(found.get(SHA256)),
        kept_mtime_ns=_mtime(found, stored.modified_ns),
    )


def _mtime(metadata: Mapping[str, str], modified_ns: int | None) -> int | None:
    own = _number(metadata.get(MTIME), limit=_END_OF_TIME_NS)
    if own is None and RCLONE_MTIME in metadata:
        with suppress(InvalidOperation, ValueError, OverflowError):
            own = int(Decimal(metadata[RCLONE_MTIME]) * 1_000_000_000)
    return modified_ns if own is None or abs(own) >= _END_OF_TIME_NS else own


def _owner(text: str | None) -> int | None:
    number = _number(text, limit=_NOBODY)
    return number if number is None or number >= 0 else None


def _number(text: str | None, base: int = 10, limit: int = 1 << 63) -> int | None:
    if text is None:  # of most objects
        return None
    try:
        number = int(text, base)
    except ValueError:
        return None
    return number if abs(number) < limit else None


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if len(digest) == 32 else None
