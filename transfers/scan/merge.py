"""Three streams in byte order of path, joined in one pass with one item of each in hand.

Most files of most scans are as they were left. Those are passed over here, in one comparison of tuples each, and only
counted; `decide` would say UNCHANGED of every one of them (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jobs import sql
from jobs.sql.rows import Row
from jobs.states import TaskStatus
from storage_backends.base import FileInfo, Kind, ListError

PAGE_ROWS = 5000
#: After so many files were passed over, the caller is given a chance to look at the clock.
BREATH_FILES = 1000

Joined = tuple[FileInfo | None, Row | None, FileInfo | None]
RawRow = tuple[Any, ...]
"""The fields of a `Row`, in its order."""

_PATH, _LOOK, _SINK = Row._fields.index("path"), Row._fields.index("sink_size"), len(Row._fields)
_LEFT_ALONE = (TaskStatus.COMPLETED.value, "", False, False)
"""`Row` from `status` to `compare_first`: completed, nothing to say, not gone, times to be trusted."""


def catalogue(job_id: object) -> Iterator[RawRow]:
    """The job's rows, a page per short statement (a long cursor would hold SQLite's write lock)."""
    after: bytes | None = None
    while page := sql.path_page(str(job_id), after, PAGE_ROWS):
        yield from page
        after = page[-1][_PATH]


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


class Merge:
    """Iterate once: a tuple per path, in byte order, None where a stream does not have it. Paths only the sink has are
    left out, and, if `passes_over`, files that are as they were left. Now and then a tuple of three Nones comes."""

    def __init__(
        self, source: Iterator[FileInfo], rows: Iterator[RawRow], sink: Iterator[FileInfo], *, passes_over: bool
    ) -> None:
        self.passed_files = self.passed_bytes = 0
        self._source, self._rows, self._sink, self._passes_over = source, rows, sink, passes_over

    def __iter__(self) -> Iterator[Joined]:
        source, rows, sink = self._source, self._rows, self._sink
        a, b, c = next(source, None), next(rows, None), next(sink, None)
        passed = 0
        while a is not None or b is not None:
            key = _smaller(a, b)
            while c is not None and c[0] < key:
                c = next(sink, None)
            if self._passes_over and a and b and c and _is_as_left(a, b, c):
                self.passed_files += 1
                self.passed_bytes += a[2]
                passed += 1
                if passed % BREATH_FILES == 0:
                    yield None, None, None
                a, b, c = next(source, None), next(rows, None), next(sink, None)
                continue
            has_a = a is not None and a[0] == key
            has_b = b is not None and b[_PATH] == key
            has_c = c is not None and c[0] == key
            yield (a if has_a else None), (Row._make(b) if has_b and b else None), (c if has_c else None)
            if has_a:
                a = next(source, None)
            if has_b:
                b = next(rows, None)
            if has_c:
                c = next(sink, None)


def _is_as_left(source: FileInfo, row: RawRow, sink: FileInfo) -> bool:
    """Whether source and sink of a completed file look as the row says."""
    return (
        source[:5] == row[_PATH:_LOOK]
        and sink[2:5] == row[_LOOK:_SINK]
        and row[1:_PATH] == _LEFT_ALONE
        and source[0] == sink[0]
        and source[1] is Kind.FILE is sink[1]
    )


def _smaller(a: FileInfo | None, b: RawRow | None) -> bytes:
    if a is None:
        assert b is not None
        path: bytes = b[_PATH]
        return path
    return a[0] if b is None or a[0] < b[_PATH] else b[_PATH]
