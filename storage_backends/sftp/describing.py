"""From a server's attributes to `FileInfo`, and back."""

from __future__ import annotations

import stat

from paramiko.sftp_attr import SFTPAttributes

from storage_backends.base import Attributes, FileInfo, Kind, PartialId
from storage_backends.values import KIND_OF_TYPE, SET_ID_BITS

SECOND_NS = 1_000_000_000


def kind_of(found: SFTPAttributes) -> Kind:
    """What stands behind a name."""
    return KIND_OF_TYPE.get(stat.S_IFMT(found.st_mode or 0), Kind.SPECIAL)


def describe(path: bytes, found: SFTPAttributes) -> FileInfo:
    """Owners are left out: on another machine the numbers mean other people."""
    kind, mode, size = kind_of(found), (found.st_mode or 0) & 0o7777, found.st_size or 0
    mtime = found.st_mtime or 0
    if PartialId.stands_for(path.removesuffix(b"/").rpartition(b"/")[2], kind):
        kind = Kind.SPECIAL
    if kind is Kind.DIRECTORY:
        path = path if not path or path.endswith(b"/") else path + b"/"
        return FileInfo(path, kind, 0, mtime * SECOND_NS, f"{mode:o}", mode)
    version = f"{size}.{mtime}.{mode:o}.{found.st_uid}.{found.st_gid}"
    return FileInfo(path, kind, size, mtime * SECOND_NS, version, mode)


def wanted(attributes: Attributes, default_mode: int) -> SFTPAttributes:
    """What to set on a file or directory. setuid and setgid are not carried to another machine."""
    made = SFTPAttributes()
    made.st_mode = default_mode if attributes.mode is None else attributes.mode & ~SET_ID_BITS
    return with_time(made, attributes.mtime_ns)


def with_time(made: SFTPAttributes, mtime_ns: int | None) -> SFTPAttributes:
    """The same, with a time if there is one."""
    if mtime_ns is not None:
        seconds = min(max(0, mtime_ns // SECOND_NS), 0xFFFFFFFF)
        made.st_atime = made.st_mtime = seconds
    return made
