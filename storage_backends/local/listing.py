"""Walking a tree in byte order, one directory in memory at a time, without holding a descriptor per level."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter

from storage_backends.base import Entry, Kind, ListError
from storage_backends.errors import Overlap, StorageError
from storage_backends.local.attributes import describe
from storage_backends.local.beneath import open_directory
from storage_backends.local.failures import failure, show

_by_path = itemgetter(0)
_DIRECTORY = Kind.DIRECTORY
#: So many of one directory go on their way at once: all of a large one, as a message, would take as much again.
CHUNK_ENTRIES = 5000
_ENCODING = sys.getfilesystemencoding()


def walk(
    root: int,
    *,
    prune: Callable[[bytes], bool] | None = None,
    stop_at: Collection[str] = (),
) -> Iterator[list[Entry]]:
    """See `Storage.list_chunks`: what lies in a directory, up to the next one that has to be listed in between. The
    stack is our own, so a tree of 1,900 levels is like any other."""
    stack = [_chunks(_list(root, b"", prune, stop_at))]
    while stack:
        for chunk in stack[-1]:
            yield chunk
            last = chunk[-1]
            if last[1] is _DIRECTORY:
                try:
                    stack.append(_chunks(_list(root, last.path, prune, stop_at)))
                except StorageError as error:
                    yield [ListError(last.path, error)]
                else:
                    break
        else:
            stack.pop()


def _chunks(entries: list[Entry]) -> Iterator[list[Entry]]:
    """What is in them, the last first; consumed, so that of a large directory nothing is there twice. Where there is a
    directory, a chunk ends."""
    chunk: list[Entry] = []
    while entries:
        entry = entries.pop()
        chunk.append(entry)
        if entry[1] is _DIRECTORY or len(chunk) == CHUNK_ENTRIES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def identity(status: os.stat_result) -> str:
    """The same for the same directory, whatever it is called."""
    return f"{status.st_dev}:{status.st_ino}"


def _list(root: int, directory: bytes, prune: Callable[[bytes], bool] | None, stop_at: Collection[str]) -> list[Entry]:
    """The entries of one directory, the last of their paths first; raises StorageError if it can't be listed."""
    fd = open_directory(root, directory.removesuffix(b"/"))
    entries: list[Entry] = []
    try:
        with os.scandir(fd) as names:
            for name in names:
                path = directory + name.name.encode(_ENCODING, "surrogateescape")
                try:
                    entry: Entry = describe(path, name.stat(follow_symlinks=False))
                except FileNotFoundError:  # it went away since it was listed
                    continue
                except OSError as error:
                    entry = ListError(path, failure(error, path))
                if entry[1] is _DIRECTORY:
                    if prune and prune(entry.path):
                        continue
                    if stop_at and identity(name.stat(follow_symlinks=False)) in stop_at:
                        entry = ListError(entry.path, Overlap(f"{show(path)} is the root of the other side"))
                entries.append(entry)
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        os.close(fd)
    entries.sort(key=_by_path, reverse=True)
    return entries
