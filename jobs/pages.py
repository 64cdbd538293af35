"""A job's rows in byte order of path, a page at a time. No Django: a one-shot sync reads them before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

#: How much of a path the ordered index holds: PostgreSQL refuses index rows over 2,704 bytes.
INDEXED_PATH_BYTES = 1024
#: What SQLite's index `task_path` is over, exactly as the index says it.
SQLITE_PREFIX = "substr(path, 1, 1024)"

PAGE_ROWS = 5000

RawRow = tuple[Any, ...]
"""The fields of a `Row`, in its order."""
Execute = Callable[[str, Sequence[Any]], list[RawRow]]
"""Runs a statement with `%s` for each of its parameters; returns what it finds."""


class Row(NamedTuple):
    """One row of the catalogue as a scan reads it. From `path` to `version` in the order of a `FileInfo`, so that the
    two are compared in one step, and so are the last three."""

    id: int
    status: str
    reason_code: str
    is_gone: bool
    compare_first: bool
    path: bytes
    kind: str
    size: int
    mtime_ns: int | None
    version: str
    sink_size: int | None
    sink_mtime_ns: int | None
    sink_version: str


PATH = Row._fields.index("path")
#: What a `Row` is made of.
CATALOGUE = """id, status, reason_code, gone_at IS NOT NULL, compare_first, path, kind, size, source_mtime_ns,
    source_version, sink_size, sink_mtime_ns, sink_version"""

_PAGE = "SELECT {columns} FROM jobs_task WHERE job_id = %s{behind} ORDER BY {order} LIMIT %s"
_BEHIND = " AND {prefix} >= %s AND path > %s"


class Pages(NamedTuple):
    """Of one job."""

    execute: Execute
    prefix: str
    """What the index `task_path` is over, as the planner recognises it."""
    job: object
    """The job's id as the database holds it."""

    def catalogue(self) -> Iterator[list[RawRow]]:
        """All of them, as a scan reads them: by short statements, since a long one would hold SQLite's write lock."""
        after: bytes | None = None
        while rows := self.rows(after, PAGE_ROWS):
            yield rows
            after = rows[-1][PATH]

    def rows(self, after: bytes | None, limit: int) -> list[RawRow]:
        """The first `limit`, or those behind `after`. Plain tuples in the order of `Row`: of most of them nothing more
        is wanted than that they are as expected."""
        return self.read(CATALOGUE, after, limit, path_at=PATH)

    def read(self, columns: str, after: bytes | None, limit: int, *, path_at: int) -> list[RawRow]:
        """The first `limit` rows, or those behind `after`; `path_at`: which of the columns is the path.

        Paths that are alike for as long as the index can hold them lie in it in no order. Only where there are such
        ones, the page is sorted: that takes a third of the time of reading it."""
        page = self._read(columns, after, limit, order=self.prefix)
        if max(map(len, map(itemgetter(path_at), page)), default=0) >= INDEXED_PATH_BYTES:
            return self._read(columns, after, limit, order=f"{self.prefix}, path")
        return page

    def _read(self, columns: str, after: bytes | None, limit: int, *, order: str) -> list[RawRow]:
        behind = [] if after is None else [after[:INDEXED_PATH_BYTES], after]
        condition = _BEHIND.format(prefix=self.prefix) if behind else ""
        statement = _PAGE.format(columns=columns, behind=condition, order=order)
        return self.execute(statement, [self.job, *behind, limit])
