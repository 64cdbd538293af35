"""A tree in byte order, one directory in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, suppress
from itertools import chain
from operator import attrgetter

from paramiko import sftp as protocol

from storage_backends.base import Entry, FileInfo, Kind, ListError
from storage_backends.errors import Overlap, StorageError
from storage_backends.names import display_path
from storage_backends.sftp.connection import Connection, names_of
from storage_backends.sftp.describing import describe
from storage_backends.sftp.folders import Folders


def walk(
    connection: Connection,
    folders: Folders,
    prune: Callable[[bytes], bool] | None,
    is_stop: Callable[[bytes], bool],
) -> Iterator[Entry]:
    """See `Storage.list_files`; `is_stop(directory path)`: the root of the other side."""
    stack = [iter(_entries(connection, folders, b"", prune, is_stop))]
    while stack:
        for entry in stack[-1]:
            yield entry
            if isinstance(entry, FileInfo) and entry.kind is Kind.DIRECTORY:
                try:
                    stack.append(iter(_entries(connection, folders, entry.path, prune, is_stop)))
                except StorageError as error:
                    yield ListError(entry.path, error)
                else:
                    break
        else:
            stack.pop()


def list_folder(connection: Connection, folders: Folders, folder: bytes) -> Collection[FileInfo]:
    """What stands in one directory (its path without slash), in no order. Raises StorageError."""
    return list(chain.from_iterable(_pages(connection, folders, folder)))


def is_empty_folder(connection: Connection, folders: Folders, folder: bytes) -> bool:
    """Whether nothing stands there; of much that does, only the beginning is read. Raises StorageError."""
    with closing(_pages(connection, folders, folder)) as pages:
        return not any(pages)


def _pages(connection: Connection, folders: Folders, folder: bytes) -> Generator[list[FileInfo], None, None]:
    """One for each answer of the server."""
    handle = connection.handle(connection.ask(protocol.CMD_OPENDIR, folders.enter(folder)), folder)
    prefix = folder + b"/" if folder else b""
    try:
        with suppress(EOFError):
            while True:
                names = names_of(connection.do(folder, protocol.CMD_READDIR, handle))
                yield [describe(prefix + name, told) for name, told in names if name not in (b".", b"..")]
    finally:
        connection.tell(protocol.CMD_CLOSE, handle)


def _entries(
    connection: Connection,
    folders: Folders,
    directory: bytes,
    prune: Callable[[bytes], bool] | None,
    is_stop: Callable[[bytes], bool],
) -> list[Entry]:
    entries: list[Entry] = []
    for info in list_folder(connection, folders, directory.removesuffix(b"/")):
        if info.kind is not Kind.DIRECTORY:
            entries.append(info)
        elif is_stop(info.path):
            stop = Overlap(f"'{display_path(info.path)}' is the root of the other side")
            entries.append(ListError(info.path, stop))
        elif not (prune and prune(info.path)):
            entries.append(info)
    return sorted(entries, key=attrgetter("path"))
