"""A listing in a process of its own: ``python -m transfers.scan.lister <socket fd>``.

It knows no Django and no database. In come the storage's URL (whose backend is loaded while the parent is still busy)
and a `Request`; out go the storage's location, chunks, and None at the end, or the StorageError that ended it. When
the other end of the socket is closed, it ends as well.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from storage_backends import registry
from storage_backends.base import LISTED_AT_ONCE, FileInfo, Kind, ListError
from storage_backends.errors import ConfigurationError, StorageError
from transfers.scan.rules import Rules

Columns = tuple[tuple[bytes, ...], tuple[Kind, ...], tuple[int, ...], tuple[int | None, ...], tuple[str, ...]]
"""The fields of many a `FileInfo` that a scan compares, in its order: half the price of so many objects."""
Message = Columns | ListError | StorageError | None


class Request(NamedTuple):
    """What to list."""

    path: bytes
    """The job's directory below the storage's root."""
    exclude: str
    stop_at: tuple[str, ...]


def serve(connection: Connection[Any, Any]) -> None:
    """Answer one request."""
    url: str = connection.recv()
    with suppress(ConfigurationError):  # told when it is opened
        registry.load(url)
    request: Request = connection.recv()
    try:
        for message in _answers(url, request):
            connection.send(message)
    except StorageError as error:
        connection.send(error)


def _answers(url: str, request: Request) -> Iterator[Message | tuple[str, ...]]:
    storage = registry.open_storage(url, request.path)
    storage.probe()  # opens the root: what lies there from now on is what its location says
    yield storage.location()
    found: list[FileInfo | ListError] = []
    for chunk in storage.list_chunks(prune=Rules(request.exclude, "").prune, stop_at=request.stop_at):
        found += chunk  # many a directory has a file or two
        if len(found) >= LISTED_AT_ONCE:
            yield from _messages(found)
            found = []
    yield from _messages(found)
    yield None


def _messages(found: list[FileInfo | ListError]) -> Iterator[Message]:
    if ListError in map(type, found):
        for entry in found:
            yield entry if isinstance(entry, ListError) else _columns([entry])
    elif found:
        yield _columns(found)


def _columns(chunk: list[FileInfo | ListError]) -> Columns:
    paths, kinds, sizes, times, versions, *_ = zip(*chunk, strict=True)
    return paths, kinds, sizes, times, versions


def main(socket_fd: int) -> None:
    """Serve until done, or until nobody listens any more."""
    gc.disable()  # it makes no cycles
    with suppress(EOFError, BrokenPipeError, ConnectionResetError), Connection(socket_fd) as connection:
        serve(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # nothing is left to be done
