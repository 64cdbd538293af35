"""SQLite: one prepared statement run over the rows.

The caller's transaction is IMMEDIATE: there is one writer, so what a SELECT has found in it still holds for the UPDATE
that follows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from jobs.pages import SQLITE_PREFIX
from jobs.sql.rows import FINAL_STATUSES, Copied, NewTask, SeenTask, Settlement

INDEXED_PREFIX = SQLITE_PREFIX
NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
#: The start of the ten seconds that pass now.
TEN_SECONDS = "substr(strftime('%%Y-%%m-%%d %%H:%%M:%%S', 'now'), 1, 18) || '0'"
#: A list of ids as one parameter, so that the statement's text stays the same and is prepared once.
IN_IDS = "IN (SELECT value FROM json_each(%s))"
SKIP_LOCKED = ""
#: An IMMEDIATE transaction excludes every other writer, so looking is enough.
SHARED = ""
IS_OWNER = "owner_id IS %s"


def uuid_parameter(value: str) -> str:
    """Django stores a UUID as 32 hex digits here."""
    return uuid.UUID(str(value)).hex


def ids_parameter(ids: Sequence[int]) -> str:
    """For `IN_IDS`. Numbers only: a path never goes through JSON."""
    return json.dumps(list(ids))


def moment(value: datetime | None) -> datetime | None:
    """What is stored here is in UTC and does not say so."""
    return value and value.replace(tzinfo=UTC)


def sorted_by_index(cursor: CursorWrapper) -> AbstractContextManager[None]:
    """Nothing: the planner here takes an index that gives the order."""
    return nullcontext()


def state() -> tuple[object, int, int]:
    """The connection, what it noticed of others' commits, and how many rows it has written itself."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        (version,) = cursor.fetchone()
    return connection.connection, version, connection.connection.total_changes


def schema() -> int:
    """Whatever is written in the file's header for the program's own use."""
    with connection.cursor() as cursor:
        return int(cursor.execute("PRAGMA user_version").fetchone()[0])


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
        copied_bytes = 0, gone_at = CASE WHEN %s THEN {NOW} END
    WHERE id = %s
"""

Value = str | int | bytes | None

_SETTLE = f"""
    UPDATE jobs_task SET status = %s, owner_id = NULL, checksum = COALESCE(%s, checksum), size = COALESCE(%s, size),
        source_mtime_ns = COALESCE(%s, source_mtime_ns), source_version = COALESCE(%s, source_version),
        sink_size = COALESCE(%s, sink_size), sink_mtime_ns = COALESCE(%s, sink_mtime_ns),
        sink_version = COALESCE(%s, sink_version), copied_bytes = COALESCE(%s, copied_bytes),
        reason_code = %s, reason_text = %s, attempts = attempts - %s,
        not_before = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s),
        compare_first = COALESCE(%s, compare_first), completed_at = CASE WHEN %s THEN {NOW} END
    WHERE id = %s
"""


def refresh_tasks(rows: list[SeenTask]) -> set[int]:
    """One executemany over the rows that are as expected."""
    found = _columns_of("id, status", [row.id for row in rows])
    ours = [row for row in rows if (row.id, row.expected) in found]
    with connection.cursor() as cursor:
        cursor.executemany(_REFRESH, [(*row[2:], row.id) for row in ours])
    return {row.id for row in ours}


def settle_tasks(slave_id: str, rows: list[Settlement]) -> set[int]:
    """One executemany over the rows that are this slave's at that epoch."""
    owner = uuid_parameter(slave_id)
    found = _columns_of("id, epoch, owner_id, status", [row.id for row in rows])
    ours = [row for row in rows if (row.id, row.epoch, owner, "in_progress") in found]
    with connection.cursor() as cursor:
        cursor.executemany(_SETTLE, [_settle_parameters(row) for row in ours])
    return {row.id for row in ours}


_SETTLE_COPIED = """
    UPDATE jobs_task SET status = 'completed', owner_id = NULL, completed_at = %s, checksum = %s, size = %s,
        source_mtime_ns = %s, source_version = %s, sink_size = %s, sink_mtime_ns = %s, sink_version = %s,
        copied_bytes = %s, compare_first = %s, reason_code = '', reason_text = '', not_before = NULL
    WHERE id = %s AND epoch = %s AND status = 'in_progress' AND owner_id = %s
"""


def settle_copied(slave_id: str, rows: Sequence[Copied]) -> int:
    """One executemany."""
    owner = uuid_parameter(slave_id)
    with connection.cursor() as cursor:
        now = cursor.execute(f"SELECT {NOW}", []).fetchone()[0]  # a call of strftime less for every row
        cursor.executemany(_SETTLE_COPIED, [(now, *row, owner) for row in rows])
        return int(cursor.rowcount)


def _columns_of(columns: str, ids: list[int]) -> set[tuple[object, ...]]:
    """What the rows say now. No other writer can change them before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM jobs_task WHERE id {IN_IDS}", [ids_parameter(ids)])
        return set(cursor.fetchall())


def _settle_parameters(row: Settlement) -> tuple[Value, ...]:
    delay = None if row.delay_seconds is None else f"+{row.delay_seconds:.3f} seconds"
    return (*row[2:14], delay, row.compare_first, row.status in FINAL_STATUSES, row.id)
