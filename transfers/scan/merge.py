"""Three streams in byte order of path, joined in one pass with one item of each in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from jobs import sql
from jobs.sql.rows import Row
from storage_backends.base import FileInfo, ListError

PAGE_ROWS = 5000

Joined = tuple[FileInfo | None, Row | None, FileInfo | None]


def catalogue(job_id: object) -> Iterator[Row]:
    """The job's rows, a page per short statement (a long cursor would hold SQLite's write lock)."""
    after: bytes | None = None
    while page := sql.path_page(str(job_id), after, PAGE_ROWS):
        for row in page:
            yield row if type(row.path) is bytes else row._replace(path=bytes(row.path))
        after = bytes(page[-1].path)


class OutOfOrder(Exception):
    """A listing was not in byte order; going on would take files for gone that are not."""


def listed(entries: Iterable[FileInfo | ListError], on_error: Callable[[ListError], None]) -> Iterator[FileInfo]:
    """The entries without the errors, which go to `on_error` before anything later is yielded. Raises OutOfOrder."""
    last: bytes | None = None
    for entry in entries:
        if isinstance(entry, ListError):
            on_error(entry)
            continue
        if last is not None and entry.path <= last:
            raise OutOfOrder(f"{entry.path!r} was listed after {last!r}")
        last = entry.path
        yield entry


def merge(source: Iterator[FileInfo], rows: Iterator[Row], sink: Iterator[FileInfo]) -> Iterator[Joined]:
    """One tuple per path, in byte order, None where a stream does not have it. Paths only the sink has are left out."""
    a, b, c = next(source, None), next(rows, None), next(sink, None)
    while a is not None or b is not None:
        key = _smaller(a, b)
        while c is not None and c.path < key:
            c = next(sink, None)
        has_a = a is not None and a.path == key
        has_b = b is not None and b.path == key
        has_c = c is not None and c.path == key
        yield (a if has_a else None), (b if has_b else None), (c if has_c else None)
        if has_a:
            a = next(source, None)
        if has_b:
            b = next(rows, None)
        if has_c:
            c = next(sink, None)


def _smaller(a: FileInfo | None, b: Row | None) -> bytes:
    if a is None:
        assert b is not None
        return b.path
    return a.path if b is None or a.path < b.path else b.path
