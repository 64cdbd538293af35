"""Where a root really lies, found from its descriptor upwards, so that spelling, links and bind mounts don't matter."""

from __future__ import annotations

import os

from storage_backends.base import RootIdentity
from storage_backends.local import system
from storage_backends.local.beneath import explain, open_beneath
from storage_backends.local.failures import failure
from storage_backends.local.listing import identity
from storage_backends.names import display_path

_HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def root_identity(operator_root: bytes, path: bytes) -> RootIdentity:
    """See `Storage.root_identity`. `operator_root` is absolute and trusted, `path` lies below it; raises StorageError.

    What does not exist yet contributes one pseudo component per name, `<parent's>/<name>`.
    """
    fd, missing = _nearest(operator_root, path)
    try:
        chain = _ancestors(fd)
        for name in missing:
            chain.insert(0, f"{chain[0]}/{display_path(name)}")
        return RootIdentity(tuple(chain), _device(fd), bool(missing) or _is_empty(fd), not missing)
    except OSError as error:
        raise failure(error, path) from error
    finally:
        os.close(fd)


def opened_identity(fd: int, path: bytes) -> RootIdentity:
    """Of a root that is open. Raises StorageError, which names `path`."""
    try:
        return RootIdentity(tuple(_ancestors(fd)), _device(fd), _is_empty(fd), exists=True)
    except OSError as error:
        raise failure(error, path) from error


def _nearest(operator_root: bytes, path: bytes) -> tuple[int, list[bytes]]:
    """A handle of the nearest directory that exists, and the names below it that don't, outermost first."""
    tail = path.split(b"/") if path else []
    fd, missing = _nearest_plain(operator_root)
    if missing or not tail:
        return fd, missing + tail
    try:
        for count in range(len(tail), -1, -1):
            try:
                return open_beneath(fd, b"/".join(tail[:count]), _HANDLE), tail[count:]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise explain(error, fd, b"/".join(tail[:count])) from error
        raise AssertionError("the root itself is open")
    finally:
        os.close(fd)


def _nearest_plain(path: bytes) -> tuple[int, list[bytes]]:
    parts = path.strip(b"/").split(b"/") if path.strip(b"/") else []
    for count in range(len(parts), -1, -1):
        try:
            return system.open(b"/" + b"/".join(parts[:count]), _HANDLE), parts[count:]
        except FileNotFoundError:
            continue
        except OSError as error:
            raise failure(error, path) from error
    raise AssertionError("/ always exists")


def _ancestors(fd: int) -> list[str]:
    chain = [identity(os.fstat(fd))]
    here = os.dup(fd)
    try:
        while True:
            above = system.open(b"..", _HANDLE, dir_fd=here)
            os.close(here)
            here = above
            key = identity(os.fstat(here))
            if key == chain[-1]:
                return chain
            chain.append(key)
    finally:
        os.close(here)


def _device(fd: int) -> str:
    """The file system's own id, which survives a reboot where device numbers may not; the number where it has none."""
    file_system = os.fstatvfs(fd).f_fsid
    return f"{file_system:x}" if file_system else f"dev{os.fstat(fd).st_dev}"


def _is_empty(fd: int) -> bool:
    readable_fd = system.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        with os.scandir(readable_fd) as entries:
            return next(entries, None) is None
    finally:
        os.close(readable_fd)
