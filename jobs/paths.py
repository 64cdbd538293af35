"""A job's path as a person writes it, and as the storages take it."""

from __future__ import annotations

from jobs.errors import Refusal
from storage_backends.base import check_path
from storage_backends.errors import BadPath

MAX_PATH_BYTES, MAX_NAME_BYTES = 4095, 255


def parse_path(text: str, *, field: str) -> bytes:
    """`docs/2024`, `/docs/2024` and `/docs/2024/` are the same directory below the storage's root; `/` is the root.

    Raises Refusal naming `field` for everything that is not canonical."""
    if not text:
        raise Refusal("PATH_EMPTY", "The path is empty.", field=field, hint="Write / for the storage's root itself.")
    raw = _encode(text, field)
    if raw == b"/":
        return b""
    tail = raw.removeprefix(b"/")
    try:
        parts = check_path(tail)
    except BadPath:
        raise Refusal("PATH_NOT_CANONICAL", f"{text!r} is not a plain path.", field=field, hint=_CANONICAL) from None
    if len(raw) > MAX_PATH_BYTES or max(map(len, parts)) > MAX_NAME_BYTES:
        raise Refusal("NAME_TOO_LONG", "A name may have 255 bytes, a path 4,095.", field=field)
    return tail.removesuffix(b"/")


_CANONICAL = "It must not contain '..', '.' or empty components ('//'); it always lies below the storage's root."


def _encode(text: str, field: str) -> bytes:
    if "\0" in text:
        raise Refusal("PATH_BAD_CHARACTER", "The path contains a NUL character.", field=field)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refusal("PATH_BAD_CHARACTER", "The path is not valid Unicode.", field=field) from None


def parent_directory(path: bytes) -> bytes:
    """The directory a path lies in, with its last slash; b"" is the job's root."""
    head, slash, _ = path.removesuffix(b"/").rpartition(b"/")
    return head + slash
