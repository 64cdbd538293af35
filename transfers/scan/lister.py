"""A listing in a process of its own: ``python -m transfers.scan.lister <socket fd>``, or a fork (`serve_ahead`).

It knows no Django and no database. In come the storage's URL (whose backend is loaded while the parent is still busy)
and a `Request`; out go the storage's location, chunks, and None at the end, or the StorageError that ended it. When
the other end of the socket is closed, it ends as well.

One that lists ahead guesses the request and begins before there is a scan. What it finds goes nowhere until it is
asked; asked for something else, it forgets what it found and lists that. So it does where it could not list: the scan
may have made the directory since.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from storage_backends import registry
from storage_backends.base import LISTED_AT_ONCE, FileInfo, Kind, ListError
from storage_backends.errors import ConfigurationError, StorageError
from transfers.engine.prefetch import Prefetcher, worth_it
from transfers.scan.merge import Entry
from transfers.scan.rules import Rules

Columns = tuple[tuple[bytes, ...], tuple[Kind, ...], tuple[int, ...], tuple[int | None, ...], tuple[str, ...]]
"""The fields of many a `FileInfo` that a scan compares, in its order: half the price of so many objects."""
Message = Columns | ListError
Answer = Message | tuple[str, ...] | StorageError | None
"""First of all the location; None at the end."""

_NOTHING = ("nothing is left",)
#: So much of a listing is kept until somebody asks: about 200,000 files.
AHEAD_BYTES = 16 << 20


class Request(NamedTuple):
    """What to list."""

    path: bytes
    """The job's directory below the storage's root."""
    exclude: str
    stop_at: tuple[str, ...]

    def is_answered_by(self, ahead: Request) -> bool:
        """Whether what was listed for `ahead` is what this asks for. What `stop_at` names may have been made since:
        then it was not in what was listed."""
        return ahead in (self, self._replace(stop_at=()))


def serve(connection: Connection[Any, Any]) -> None:
    """Answer one request."""
    url: str = connection.recv()
    with suppress(ConfigurationError):  # told when it is opened
        registry.load(url)
    for message in _all_answers(url, connection.recv()):
        connection.send(message)


def received(connection: Connection[Any, Any]) -> Iterator[Any]:
    """What comes from such a process, up to its last message. Raises the StorageError that ended it, and one where the
    process died: only its last message is an end."""
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError) as error:
            raise StorageError("the process that lists it died") from error
        if isinstance(message, StorageError):
            raise message
        if message is None:
            return
        yield message


def entries(messages: Iterable[Message]) -> Iterator[list[Entry]]:
    """What was listed, after the location: as `Storage.list_chunks`, of plain tuples."""
    for message in messages:
        yield [message] if isinstance(message, ListError) else list(zip(*message, strict=True))


def guess(path: bytes, others: Iterable[tuple[str, bytes]]) -> Request:
    """What a scan of a job without rules will ask for; `others`: the other side's storage and directory, where the
    listing could come upon it."""
    stop_at: list[str] = []
    for url, other in others:
        try:
            with closing(registry.open_storage(url, other)) as storage:
                root = storage.root_identity()
        except StorageError:
            return Request(path, "", ("unknown",))  # so nobody will take it for what they asked for
        stop_at += root.chain[:1] if root.exists else ()
    return Request(path, "", tuple(stop_at))


def serve_ahead(
    connection: Connection[Any, Any],
    url: str,
    guess: Request,
    *,
    most_bytes: int = AHEAD_BYTES,
    prefetcher: Prefetcher | None = None,
) -> None:
    """Answer one request, which will probably be `guess`. Of what it finds so much is kept until then; if that is not
    yet, the `prefetcher` reads what the files hold."""
    found = _all_answers(url, guess)
    ahead = until_asked(connection, found, most_bytes=most_bytes)
    if prefetcher and ahead:
        with suppress(RuntimeError):  # there is no room for another thread
            threading.Thread(target=_prefetch, args=(prefetcher, url, guess.path, ahead), daemon=True).start()
    request: Request = connection.recv()
    if ahead is None or not request.is_answered_by(guess):
        ahead, found = [], _all_answers(url, request)
        if prefetcher:
            prefetcher.stop()
    elif prefetcher:
        prefetcher.publish()
    send_all(connection, ahead, found)


def _prefetch(prefetcher: Prefetcher, url: str, path: bytes, ahead: Iterable[memoryview]) -> None:
    answers = map(ForkingPickler.loads, ahead)
    columns = [answer[:3] for answer in answers if isinstance(answer, tuple) and isinstance(answer[0], tuple)]
    listed = chain.from_iterable(zip(*each, strict=True) for each in columns)
    with suppress(StorageError, OSError), closing(registry.open_storage(url, path)) as storage:
        prefetcher.read(storage, worth_it(listed))


def send_all(connection: Connection[Any, Any], ahead: Iterable[memoryview], found: Iterator[object]) -> None:
    """What was kept, and what comes after it."""
    for message in chain(ahead, map(ForkingPickler.dumps, found)):
        connection.send_bytes(message)


def until_asked(
    connection: Connection[Any, Any], found: Iterator[object], *, most_bytes: int = AHEAD_BYTES
) -> list[memoryview] | None:
    """As much as may be kept, as it will be sent; None if it ended with an error."""
    ahead: list[memoryview] = []
    size = 0
    while size < most_bytes and not connection.poll():
        answer = next(found, _NOTHING)
        if isinstance(answer, StorageError):
            return None
        if answer is _NOTHING:
            break
        ahead.append(ForkingPickler.dumps(answer))
        size += len(ahead[-1])
    return ahead


def _all_answers(url: str, request: Request) -> Iterator[Answer]:
    try:
        yield from answers(url, request)
        yield None
    except StorageError as error:
        yield error


def answers(url: str, request: Request) -> Iterator[Any]:
    """The location, then all that is listed. Raises StorageError."""
    with closing(registry.open_storage(url, request.path)) as storage:
        chunks = storage.list_chunks(prune=Rules(request.exclude, "").prune, stop_at=request.stop_at)
        first = next(chunks, [])  # the root is open now: what lies there from now on is what its location says
        yield storage.location()
        found: list[FileInfo | ListError] = []
        for chunk in chain((first,), chunks):
            found += chunk  # many a directory has a file or two
            if len(found) >= LISTED_AT_ONCE:
                yield from _messages(found)
                found = []
        yield from _messages(found)


def _messages(found: list[FileInfo | ListError]) -> Iterator[Message]:
    if ListError in map(type, found):
        for entry in found:
            yield entry if isinstance(entry, ListError) else _columns([entry])
    elif found:
        yield _columns(found)


def _columns(chunk: list[FileInfo | ListError]) -> Columns:
    paths, kinds, sizes, times, versions, *_ = zip(*chunk, strict=True)
    return paths, kinds, sizes, times, versions


def main(socket_fd: int, serve: Callable[[Connection[Any, Any]], None] = serve) -> None:
    """Serve until done, or until nobody listens any more."""
    gc.disable()  # it makes no cycles; boto3 does, 4 KB with each page of a bucket
    with suppress(EOFError, BrokenPipeError, ConnectionResetError), Connection(socket_fd) as connection:
        serve(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # nothing is left to be done
