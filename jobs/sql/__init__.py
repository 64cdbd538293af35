"""The few hot statements, per database vendor behind one interface. Called inside `jobs` alone; others know its rows.

Set-based SQL costs 3 to 20 µs a row where the ORM's bulk_update costs 450 (docs/adr/0004-hot-sql.md). Every
function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from django.db import connection

from jobs.pages import Pages, RawRow
from jobs.sql import claims, counters, postgresql, sqlite
from jobs.sql.rows import Candidate, Copied, NewTask, ReportRow, SeenTask, Settlement

__all__ = [
    "Candidate",
    "Copied",
    "NewTask",
    "ReportRow",
    "SeenTask",
    "Settlement",
    "add_samples",
    "count_waiting",
    "due_files",
    "hold_running",
    "insert_counters",
    "insert_tasks",
    "named_files",
    "next_directories",
    "next_files",
    "owned",
    "pages",
    "refresh_tasks",
    "report_page",
    "schema",
    "settle_copied",
    "settle_tasks",
    "state",
    "take",
]


def _vendor() -> ModuleType:
    return postgresql if connection.vendor == "postgresql" else sqlite


def state() -> object:
    """Equal to an earlier one of this thread if nobody has written to the database in between; None where that can't be
    told."""
    return _vendor().state()


def schema() -> int:
    """The number of the schema that a one-shot sync has written into its database; 0 where there is none."""
    return int(_vendor().schema())


def hold_running(job_id: str, slave_id: str) -> bool:
    """Whether the job runs, is not parked and not another machine's, and the slave lives; if so, pause, kill and park
    wait for this transaction to end."""
    return claims.hold_running(_vendor(), job_id, slave_id)


def next_files(job_id: str, limit: int) -> list[Candidate]:
    """Files and links that may be claimed, in the order of the catalogue, locked."""
    return claims.next_files(_vendor(), job_id, limit)


def named_files(job_id: str, ids: Sequence[int]) -> list[Candidate]:
    """Those of these ids that are claimable files and links of the job, locked."""
    return claims.named_files(_vendor(), job_id, ids)


def next_directories(job_id: str, limit: int) -> list[Candidate]:
    """Directories that may be claimed, those below before those above, locked."""
    return claims.next_directories(_vendor(), job_id, limit)


def due_files(job_id: str, after: int, limit: int) -> list[tuple[int, int, int]]:
    """(id, size, attempts) of the first files and links behind an id that may be claimed."""
    return claims.due_files(_vendor(), job_id, after, limit)


def count_waiting(job_id: str, at_most: int) -> int:
    """How many files and links of the job wait, due or not; counting ends at `at_most`."""
    return claims.count_waiting(_vendor(), job_id, at_most)


def owned(slave_id: str, ids: Sequence[int]) -> list[tuple[int, int]]:
    """(id, epoch) of those that are this slave's, unless it was declared offline or their job was killed."""
    return claims.owned(_vendor(), slave_id, ids)


def count_owned(slave_id: str, ids: Sequence[int], epoch: int) -> int:
    """How many of them `owned` would name with this epoch."""
    return claims.count_owned(_vendor(), slave_id, ids, epoch)


def settle_copied(slave_id: str, rows: Sequence[Copied]) -> int:
    """Complete files that are still this slave's at that epoch; returns how many."""
    return int(_vendor().settle_copied(slave_id, rows))


def take(slave_id: str, slave_name: str, ids: Sequence[int]) -> int:
    """Make candidates this slave's, at a new epoch; returns how many."""
    return claims.take(_vendor(), slave_id, slave_name, ids)


def insert_counters(rows: Sequence[tuple[str, str, int]]) -> None:
    """Add (job, name, delta) to the totals."""
    counters.insert(_vendor(), rows)


def insert_tasks(job_id: str, rows: list[NewTask]) -> None:
    """Insert new tasks; raises IntegrityError when one of the paths has a row already."""
    _vendor().insert_tasks(job_id, rows)


def refresh_tasks(rows: list[SeenTask]) -> set[int]:
    """Rows seen changed by a scan become pending or skipped, if still in the expected status; returns the ids won."""
    won: set[int] = _vendor().refresh_tasks(rows)
    return won


def settle_tasks(slave_id: str, rows: list[Settlement]) -> set[int]:
    """End the work on tasks that are still this slave's at that epoch; returns the ids won."""
    won: set[int] = _vendor().settle_tasks(slave_id, rows)
    return won


_ADD_SAMPLE = """
    INSERT INTO jobs_sample (job_id, at, files, bytes) VALUES (%s, {bucket}, %s, %s)
    ON CONFLICT (job_id, at) DO UPDATE SET files = jobs_sample.files + excluded.files,
        bytes = jobs_sample.bytes + excluded.bytes
"""


def add_samples(rows: Sequence[tuple[str, int, int]]) -> None:
    """Add (job id, files, bytes) to what was copied in the ten seconds that pass now, in database time."""
    vendor = _vendor()
    statement = _ADD_SAMPLE.format(bucket=vendor.TEN_SECONDS)
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(vendor.uuid_parameter(job), files, size) for job, files, size in rows])


_REPORT = """path, path_display, kind, size, checksum, status, reason_code, reason_text, slave_name, attempts,
    started_at, completed_at, gone_at"""


def pages(job_id: str) -> Pages:
    """The job's rows in byte order of path, by the ordered index."""
    vendor = _vendor()

    def execute(statement: str, parameters: Sequence[Any]) -> list[RawRow]:
        with connection.cursor() as cursor, vendor.sorted_by_index(cursor):
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    return Pages(execute, vendor.INDEXED_PREFIX, vendor.uuid_parameter(job_id))


def report_page(job_id: str, after: bytes | None, limit: int) -> list[ReportRow]:
    """The first `limit` rows of the job in byte order of path, or those behind `after`, with what a report says."""
    moment = _vendor().moment
    return [
        ReportRow._make((bytes(path), *facts, moment(started), moment(completed), moment(gone)))
        for path, *facts, started, completed, gone in pages(job_id).read(_REPORT, after, limit, path_at=0)
    ]
