"""A comparison that begins before there is a scan, in a process that knows no Django: it lists the source, has a lister
list the sink, and reads the rows of the only job there is.

Files that are as they were left are counted, all else is told path by path, as `Merge` tells it. Like a lister that is
ahead it keeps what it finds until it is asked. Asked for anything else, or where it could not do it, it answers None:
the scan lists and compares for itself then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple, TypeVar

from jobs.pages import SQLITE_PREFIX, Pages, RawRow
from storage_backends.base import ListError
from storage_backends.errors import StorageError
from storage_backends.registry import open_storage
from transfers.scan import lister
from transfers.scan.merge import BREATH, Entry, Joined, Merge, OutOfOrder, listed

Item = TypeVar("Item")
Side = Literal["source", "sink"]

TOLD_AT_ONCE = 250
#: So often at least it is told how many were passed over, however little else there is to tell.
PASSED_AT_ONCE, TOLD_SECONDS = 5000, 0.5


class Catalogue(NamedTuple):
    """Whose rows are compared."""

    job: str
    """As the database holds it: 32 hex digits."""
    schema: int
    """The `user_version` of the database: rows of another version may mean something else."""


class Request(NamedTuple):
    """What to compare."""

    source: lister.Request
    sink: lister.Request
    catalogue: Catalogue

    def is_answered_by(self, ahead: Request) -> bool:
        """Whether what was compared for `ahead` is what this asks for."""
        sides = zip(self[:2], ahead[:2], strict=True)
        return self.catalogue == ahead.catalogue and all(asked.is_answered_by(guess) for asked, guess in sides)


class NotListed(NamedTuple):
    """A directory of one side."""

    side: Side
    error: ListError


class Told(NamedTuple):
    """What was found since the last one. First of all come the locations of both sides, at the end None."""

    passed_files: int
    passed_bytes: int
    rest: list[Joined | NotListed]


class Failed(StorageError):
    """What ended a comparison, and at which side; empty if at neither."""

    def __init__(self, side: Side | Literal[""], error: Exception) -> None:
        super().__init__(str(error))
        self.side, self.error = side, error
        self.args = (side, error)  # what it is made of again behind a socket


def serve_ahead(
    connection: Connection[Any, Any], asks: int, database: Path, url: str, paths: Sequence[bytes]
) -> None:
    """Answer one `Request`, which will probably be about these two directories of the storage at `url` and the only job
    of `database`. `asks`: the socket of a lister of the second that is ahead."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=20)) as rows:  # an old schema, a lock
        rows.execute("PRAGMA query_only = 1")
        guess = _guess(rows, url, paths)
        found = _answers(url, guess, Connection(asks), rows)
        ahead = lister.until_asked(connection, found)
        request: Request = connection.recv()
        if ahead is None or not request.is_answered_by(guess):
            connection.send(None)
        else:
            lister.send_all(connection, ahead, found)


def _guess(database: sqlite3.Connection, url: str, paths: Sequence[bytes]) -> Request:
    source, sink = paths
    jobs = database.execute("SELECT id FROM jobs_job WHERE interval IS NULL AND status <> 'killed'").fetchall()
    [(schema,)] = database.execute("PRAGMA user_version").fetchall()
    catalogue = Catalogue(jobs[0][0] if len(jobs) == 1 else "", schema)
    return Request(lister.guess(source, [(url, sink)]), lister.guess(sink, [(url, source)]), catalogue)


def _answers(
    url: str, request: Request, sink: Connection[Any, Any], database: sqlite3.Connection
) -> Iterator[Told | tuple[Any, ...] | Failed | None]:
    """All that is told."""
    try:
        if not request.catalogue.job:
            raise Failed("", StorageError("it is not clear which job is meant"))
        with suppress(OSError):  # whoever died before it was asked sends no end either
            sink.send(request.sink)
        source_messages = _blaming("source", lister.answers(url, request.source))
        sink_messages = _blaming("sink", lister.received(sink))
        yield next(source_messages), next(sink_messages)
        rest: list[Joined | NotListed] = []
        source = _listed("source", url, request.source, source_messages, rest)
        rows = _pages(database, request.catalogue.job).catalogue()
        merge = Merge(source, rows, _listed("sink", url, request.sink, sink_messages, rest), passes_over=True)
        yield from _told(merge, rest)
        yield None
    except Failed as failed:
        yield failed
    except OutOfOrder as error:
        yield Failed("", error)
    except sqlite3.Error as error:
        yield Failed("", StorageError(f"the catalogue can't be read: {error}"))


def _told(merge: Merge, rest: list[Joined | NotListed]) -> Iterator[Told]:
    """`rest`: where it is noted what can't be listed, before anything that comes behind it."""
    files = size = 0
    due = monotonic() + TOLD_SECONDS
    for joined in merge:
        if joined is not BREATH:
            rest.append(joined)
        if len(rest) >= TOLD_AT_ONCE or merge.passed_files - files >= PASSED_AT_ONCE or monotonic() >= due:
            yield Told(merge.passed_files - files, merge.passed_bytes - size, rest.copy())
            files, size, due = merge.passed_files, merge.passed_bytes, monotonic() + TOLD_SECONDS
            rest.clear()
    yield Told(merge.passed_files - files, merge.passed_bytes - size, rest)


def _listed(
    side: Side, url: str, request: lister.Request, messages: Iterable[Any], rest: list[Joined | NotListed]
) -> Iterator[list[tuple[Any, ...]]]:
    root: Iterator[list[Entry]] = _blaming(side, _root(url, request.path))
    chunks = chain(root, lister.entries(messages))
    return listed(chunks, lambda error: rest.append(NotListed(side, error)))


def _root(url: str, path: bytes) -> Iterator[list[Entry]]:
    """The job's own directory."""
    with closing(open_storage(url, path)) as storage:
        yield [storage.get_file_info(b"")]


def _blaming(side: Side, items: Iterable[Item]) -> Iterator[Item]:
    try:
        yield from items
    except StorageError as error:
        raise Failed(side, error) from error


def _pages(database: sqlite3.Connection, job: str) -> Pages:
    def execute(statement: str, parameters: Sequence[Any]) -> list[RawRow]:
        return database.execute(statement.replace("%s", "?"), parameters).fetchall()

    return Pages(execute, SQLITE_PREFIX, job)
