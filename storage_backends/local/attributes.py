"""Owner, mode and times: giving them to what was written, and reading them back as a `FileInfo`."""

from __future__ import annotations

import os
import stat

from storage_backends.base import PARTIAL_SUFFIX, Attributes, FileInfo, Kind, PartialId
from storage_backends.local import system
from storage_backends.values import KIND_OF_TYPE, SET_ID_BITS

_make = tuple.__new__
_FILE = Kind.FILE
_TYPE_BITS, _REGULAR = 0o170000, stat.S_IFREG
_EARLIEST_NS, _LATEST_NS = -(1 << 63), (1 << 63) - 1
"""What the catalogue can hold: the years 1677 to 2262. File systems know later ones; files have them by mistake."""


def describe(path: bytes, status: os.stat_result) -> FileInfo:
    """`path` as its status shows it. A directory (not the root) gets its last slash, a partial's name is special."""
    mode, kind = status.st_mode, _FILE
    # Not `in`: Python takes bytes for a number first, and makes an error of it.
    if mode & _TYPE_BITS != _REGULAR or path.endswith(PARTIAL_SUFFIX):
        kind = _kind(path, mode)
        if kind is Kind.DIRECTORY:
            return _describe_directory(path, status)
    mtime_ns, kept_mtime_ns = status.st_mtime_ns, None
    if not _EARLIEST_NS <= mtime_ns <= _LATEST_NS:
        mtime_ns, kept_mtime_ns = _nearest(mtime_ns), mtime_ns
    return _make(  # as FileInfo(...) does, with one call less: made for every file of every scan
        FileInfo,
        (
            path, kind, status.st_size, mtime_ns, f"{status.st_ino}.{status.st_ctime_ns}",
            mode & 0o7777, status.st_uid, status.st_gid, None, kept_mtime_ns,
        ),
    )  # fmt: skip


def _nearest(mtime_ns: int) -> int:
    """That the catalogue can hold."""
    return max(_EARLIEST_NS, min(_LATEST_NS, mtime_ns))


def _kind(path: bytes, mode: int) -> Kind:
    kind = KIND_OF_TYPE.get(mode & _TYPE_BITS, Kind.SPECIAL)
    is_partial = path.endswith(PARTIAL_SUFFIX) and PartialId.stands_for(path[path.rfind(b"/") + 1 :], kind)
    return Kind.SPECIAL if is_partial else kind


def _describe_directory(path: bytes, status: os.stat_result) -> FileInfo:
    bits = status.st_mode & 0o7777
    version = f"{bits:o}.{status.st_uid}.{status.st_gid}"
    path = path if not path or path.endswith(b"/") else path + b"/"
    owner, mtime_ns = (status.st_uid, status.st_gid), _nearest(status.st_mtime_ns)
    kept_mtime_ns = None if mtime_ns == status.st_mtime_ns else status.st_mtime_ns
    return FileInfo(path, Kind.DIRECTORY, 0, mtime_ns, version, bits, *owner, None, kept_mtime_ns)


def permitted_mode(mode: int) -> int:
    """`mode` without setuid and setgid unless this process is root."""
    return mode if os.geteuid() == 0 else mode & ~SET_ID_BITS


def give(fd: int, attributes: Attributes, status: os.stat_result, default_mode: int | None) -> None:
    """Owner (root only), then mode, then times, to the open file or directory `fd` with its present `status`.

    The owner comes first because changing it clears setuid and setgid. `default_mode` is used where the source knows
    no mode; None leaves the mode alone.
    """
    if os.geteuid() == 0 and attributes.uid is not None:
        gid = status.st_gid if attributes.gid is None else attributes.gid
        if (attributes.uid, gid) != (status.st_uid, status.st_gid):
            system.fchown(fd, attributes.uid, gid)
    mode = default_mode if attributes.mode is None else permitted_mode(attributes.mode)
    if mode is not None:
        system.fchmod(fd, mode)
    if attributes.mtime_ns is not None:
        system.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))


def give_link(directory: int, name: bytes, attributes: Attributes) -> None:
    """Owner (root only) and times to a symbolic link, which has no mode of its own and can't be opened."""
    if os.geteuid() == 0 and attributes.uid is not None:
        gid = -1 if attributes.gid is None else attributes.gid
        system.chown(name, attributes.uid, gid, dir_fd=directory, follow_symlinks=False)
    if attributes.mtime_ns is not None:
        times = (attributes.mtime_ns, attributes.mtime_ns)
        system.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)


def file_mode() -> int:
    """For files whose source knows no mode."""
    return 0o666 & ~system.umask()


def directory_mode() -> int:
    """For directories whose source knows no mode."""
    return 0o777 & ~system.umask()


def open_own(directory: int, name: bytes, flags: int, bits: int) -> int:
    """Open `name`; where its mode forbids that although it is ours, `bits` are added to it first. Raises OSError."""
    try:
        return system.open(name, flags, dir_fd=directory)
    except PermissionError:
        handle = system.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            if not ensure_owner_bits(handle, bits):
                raise
        finally:
            os.close(handle)
        return system.open(name, flags, dir_fd=directory)


def ensure_owner_bits(handle: int, bits: int) -> bool:
    """Add permission `bits` to what `handle` (O_PATH will do) stands for, if it is ours and lacks some; whether it did.

    A mode that was copied from the source (0555, 0400) must not lock us out of our own sink.
    """
    status = os.fstat(handle)
    mode = stat.S_IMODE(status.st_mode)
    is_ours = status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
    if not is_ours or mode & bits == bits:
        return False
    system.chmod_handle(handle, mode | bits)
    return True
