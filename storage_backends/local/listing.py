"""Walking a tree in byte order, one directory in memory at a time, without holding a descriptor per level."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter

from storage_backends.base import FileInfo, Kind, ListError
from storage_backends.errors import Overlap, StorageError
from storage_backends.local.attributes import describe
from storage_backends.local.beneath import open_directory
from storage_backends.local.failures import failure, show

Entry = FileInfo | ListError
_by_path = itemgetter(0)


def walk(
    root: int,
    *,
    prune: Callable[[bytes], bool] | None = None,
    stop_at: Collection[str] = (),
) -> Iterator[Entry]:
    """See `Storage.list_files`. The stack is our own, so a tree of 1,900 levels is like any other."""
    stack = [iter(_list(root, b"", prune, stop_at))]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        yield entry
        if isinstance(entry, FileInfo) and entry.kind is Kind.DIRECTORY:
            try:
                stack.append(iter(_list(root, entry.path, prune, stop_at)))
            except StorageError as error:
                yield ListError(entry.path, error)


def identity(status: os.stat_result) -> str:
    """The same for the same directory, whatever it is called."""
    return f"{status.st_dev}:{status.st_ino}"


def _list(root: int, directory: bytes, prune: Callable[[bytes], bool] | None, stop_at: Collection[str]) -> list[Entry]:
    """The entries of one directory in the order of their paths; raises StorageError if it can't be listed."""
    fd = open_directory(root, directory.removesuffix(b"/"))
    entries: list[Entry] = []
    try:
        with os.scandir(fd) as names:
            for name in names:
                entry = _look(directory + os.fsencode(name.name), name, stop_at)
                if entry and not (prune and entry.path.endswith(b"/") and prune(entry.path)):
                    entries.append(entry)
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        os.close(fd)
    entries.sort(key=_by_path)
    return entries


def _look(path: bytes, name: os.DirEntry[str], stop_at: Collection[str]) -> Entry | None:
    """One entry; None for a name that went away since it was listed."""
    try:
        status = name.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        return ListError(path, failure(error, path))
    info = describe(path, status)
    if stop_at and info.kind is Kind.DIRECTORY and identity(status) in stop_at:
        return ListError(info.path, Overlap(f"{show(path)} is the root of the other side"))
    return info
