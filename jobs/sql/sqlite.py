"""SQLite: one prepared statement run over the rows, in the caller's IMMEDIATE transaction (so there is one writer)."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager, nullcontext

from django.db import connection
from django.db.backends.utils import CursorWrapper

from jobs.sql.rows import NewTask, SeenTask, Settlement

#: Exactly what the index `task_path` is over.
INDEXED_PREFIX = "substr(path, 1, 1024)"
_NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"


def uuid_parameter(value: str) -> str:
    """Django stores a UUID as 32 hex digits here."""
    return uuid.UUID(str(value)).hex


def lock_jobs(job_ids: list[str]) -> None:
    """Nothing: an IMMEDIATE transaction excludes every other writer."""


def sorted_by_index(cursor: CursorWrapper) -> AbstractContextManager[None]:
    """Nothing: the planner here takes an index that gives the order."""
    return nullcontext()


_INSERT = """
    INSERT INTO jobs_task (job_id, kind, path, path_sha256, path_display, status, size, source_mtime_ns,
        source_version, compare_first, reason_code, reason_text, sink_version, copied_bytes, epoch, attempts,
        slave_name)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '', 0, 0, 0, '')
"""


def insert_tasks(job_id: str, rows: list[NewTask]) -> None:
    """One executemany."""
    job = uuid_parameter(job_id)
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, [(job, *row) for row in rows])


_REFRESH = f"""
    UPDATE jobs_task SET kind = %s, status = %s, size = %s, source_mtime_ns = %s, source_version = %s,
        compare_first = %s, reason_code = %s, reason_text = %s, attempts = 0, not_before = NULL,
        published_at = NULL, copied_bytes = 0, gone_at = CASE WHEN %s THEN {_NOW} END
    WHERE id = %s AND status = %s
"""

_SETTLE = f"""
    UPDATE jobs_task SET status = %s, owner_id = NULL, checksum = COALESCE(%s, checksum), size = COALESCE(%s, size),
        source_mtime_ns = COALESCE(%s, source_mtime_ns), source_version = COALESCE(%s, source_version),
        sink_size = COALESCE(%s, sink_size), sink_mtime_ns = COALESCE(%s, sink_mtime_ns),
        sink_version = COALESCE(%s, sink_version), copied_bytes = COALESCE(%s, copied_bytes),
        reason_code = %s, reason_text = %s, attempts = attempts - %s,
        not_before = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s), published_at = NULL,
        compare_first = COALESCE(%s, compare_first), completed_at = CASE WHEN %s THEN {_NOW} END
    WHERE id = %s AND owner_id = %s AND epoch = %s AND status = 'in_progress'
"""


def refresh_tasks(rows: list[SeenTask]) -> set[int]:
    """One UPDATE a row; the row count says who won."""
    won = set()
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(_REFRESH, [*row[2:], row.id, row.expected])
            if cursor.rowcount == 1:
                won.add(row.id)
    return won


def settle_tasks(slave_id: str, rows: list[Settlement]) -> set[int]:
    """One UPDATE a row, fenced by owner and epoch."""
    owner = uuid_parameter(slave_id)
    won = set()
    with connection.cursor() as cursor:
        for row in rows:
            delay = None if row.delay_seconds is None else f"+{row.delay_seconds:.3f} seconds"
            is_final = row.status in ("completed", "failed", "skipped", "cancelled")
            cursor.execute(
                _SETTLE,
                [*row[2:14], delay, row.compare_first, is_final, row.id, owner, row.epoch],
            )
            if cursor.rowcount == 1:
                won.add(row.id)
    return won
