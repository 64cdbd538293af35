"""PostgreSQL: arrays unnested, one statement a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from jobs.sql.rows import Copied, NewTask, SeenTask, Settlement

#: Exactly what the index `task_path` is over; `substr` is another function to the planner.
INDEXED_PREFIX = "substring(path, 1, 1024)"
NOW = "clock_timestamp()"
#: The start of the ten seconds that pass now.
TEN_SECONDS = "to_timestamp(floor(extract(epoch FROM clock_timestamp()) / 10) * 10)"
IN_IDS = "= ANY(%s::bigint[])"
SKIP_LOCKED = "FOR UPDATE SKIP LOCKED"
#: Claims do not wait for each other, only for pause, kill and park, and see what those have done.
SHARED = "FOR SHARE"
#: No index over the owner knows this form. With stale statistics one would be taken, and all that the slave owns read
#: for each row.
IS_OWNER = "owner_id IS NOT DISTINCT FROM %s::uuid"
#: Of the task `t`. A CASE, because no statistics speak of one: those from before a mass change of states promise a
#: single row, and the planner would go through the whole batch for every row of the table.
_IN_HAND = f"CASE WHEN t.{IS_OWNER} THEN t.status = 'in_progress' ELSE false END"


def uuid_parameter(value: str) -> str:
    """PostgreSQL takes a UUID as text."""
    return str(value)


def ids_parameter(ids: Sequence[int]) -> str:
    """For `IN_IDS`."""
    return _array(ids)


def moment(value: datetime | None) -> datetime | None:
    """The driver has made it a moment already."""
    return value


@contextmanager
def sorted_by_index(cursor: CursorWrapper) -> Iterator[None]:
    """Left alone, the planner reads and sorts the whole job for every page of it, which is quadratic in the end."""
    with transaction.atomic():
        cursor.execute("SET LOCAL enable_sort = off")
        yield
        cursor.execute("SET LOCAL enable_sort = on")


def schema() -> int:
    """Nobody reads this database without Django."""
    return 0


def state() -> None:
    """Unknown: the server does not tell cheaply whether anybody has written."""


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


_COPY = """
    COPY jobs_task (job_id, kind, path, path_sha256, path_display, status, size, source_mtime_ns, source_version,
        compare_first, reason_code, reason_text, sink_version, copied_bytes, epoch, attempts, slave_name)
    FROM STDIN
"""


def insert_tasks(job_id: str, rows: list[NewTask]) -> None:
    """One COPY, a third of the price of an INSERT … SELECT FROM unnest."""
    job = str(job_id)
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row((job, *row, "", 0, 0, 0, ""))


_REFRESH = """
    UPDATE jobs_task t SET kind = v.kind, status = v.status, size = v.size, source_mtime_ns = v.mtime_ns,
        source_version = v.version, compare_first = v.compare_first, reason_code = v.reason_code,
        reason_text = v.reason_text, attempts = 0, not_before = NULL, copied_bytes = 0,
        gone_at = CASE WHEN v.is_gone THEN clock_timestamp() END
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[],
        %s::boolean[], %s::text[], %s::text[], %s::boolean[])
        AS v(id, expected, kind, status, size, mtime_ns, version, compare_first, reason_code, reason_text, is_gone)
    WHERE t.id = v.id AND t.status = v.expected RETURNING t.id
"""

_SETTLE = f"""
    UPDATE jobs_task t SET status = v.status, owner_id = NULL, checksum = COALESCE(v.checksum, t.checksum),
        size = COALESCE(v.size, t.size), source_mtime_ns = COALESCE(v.source_mtime_ns, t.source_mtime_ns),
        source_version = COALESCE(v.source_version, t.source_version),
        sink_size = COALESCE(v.sink_size, t.sink_size),
        sink_mtime_ns = COALESCE(v.sink_mtime_ns, t.sink_mtime_ns),
        sink_version = COALESCE(v.sink_version, t.sink_version),
        copied_bytes = COALESCE(v.copied_bytes, t.copied_bytes),
        compare_first = COALESCE(v.compare_first, t.compare_first),
        reason_code = v.reason_code, reason_text = v.reason_text, attempts = t.attempts - v.attempts_back,
        not_before = clock_timestamp() + make_interval(secs => v.delay_seconds),
        completed_at = CASE WHEN v.status IN ('completed', 'failed', 'skipped', 'cancelled')
            THEN clock_timestamp() END
    FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::bytea[], %s::bigint[], %s::bigint[], %s::text[],
        %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::float8[],
        %s::boolean[])
        AS v(id, epoch, status, checksum, size, source_mtime_ns, source_version, sink_size, sink_mtime_ns,
             sink_version, copied_bytes, reason_code, reason_text, attempts_back, delay_seconds, compare_first)
    WHERE t.id = v.id AND t.epoch = v.epoch AND {_IN_HAND}
    RETURNING t.id
"""

_SETTLE_COPIED = f"""
    UPDATE jobs_task t SET status = 'completed', owner_id = NULL, checksum = decode(v.checksum, 'hex'), size = v.size,
        source_mtime_ns = v.source_mtime_ns, source_version = v.source_version, sink_size = v.sink_size,
        sink_mtime_ns = v.sink_mtime_ns, sink_version = v.sink_version, copied_bytes = v.copied_bytes,
        compare_first = v.compare_first, reason_code = '', reason_text = '', not_before = NULL,
        completed_at = clock_timestamp()
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::text[],
        %s::bigint[], %s::boolean[], %s::bigint[], %s::int[])
        AS v(checksum, size, source_mtime_ns, source_version, sink_size, sink_mtime_ns, sink_version, copied_bytes,
             compare_first, id, epoch)
    WHERE t.id = v.id AND t.epoch = v.epoch AND {_IN_HAND}
"""


def _update(statement: str, rows: list[Any], *extra: str) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [*_columns(rows), *extra])
        return {row[0] for row in cursor.fetchall()}


def refresh_tasks(rows: list[SeenTask]) -> set[int]:
    """One UPDATE … FROM unnest."""
    return _update(_REFRESH, sorted(rows))


def settle_tasks(slave_id: str, rows: list[Settlement]) -> set[int]:
    """One UPDATE … FROM unnest, fenced by owner and epoch."""
    return _update(_SETTLE, sorted(rows), str(slave_id))


def settle_copied(slave_id: str, rows: Sequence[Copied]) -> int:
    """One UPDATE … FROM unnest."""
    columns = map(_array, zip(*sorted(rows, key=itemgetter(-2)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE_COPIED, [*columns, str(slave_id)])
        return int(cursor.rowcount)


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL reads it; bytes as text of hex digits, which need no escapes. All are of one type, with
    None among numbers only; the driver, which asks of each value how it is written, takes seven times as long."""
    if values and isinstance(values[0], bytes):
        values = [value.hex() for value in values]
    if values and isinstance(values[0], str):
        return '{"' + '","'.join([value.replace("\\", r"\\").replace('"', r"\"") for value in values]) + '"}'
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"
