"""What a scan found: paths seen for the first time, and known ones that look different now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import IntegrityError, transaction

from jobs import bell, sql
from jobs.catalogue import tasks_at
from jobs.counters import Tally
from jobs.models import JobId
from jobs.sql.rows import NewTask, SeenTask
from jobs.states import TASK_MOVES, TaskStatus


def discover(job_id: JobId, rows: Sequence[NewTask]) -> int:
    """Insert tasks for paths seen for the first time; returns how many. A row that exists by now is left alone."""
    if not rows:
        return 0
    try:
        with transaction.atomic():
            _insert(job_id, list(rows))
        return len(rows)
    except IntegrityError:
        return sum(_discover_one(job_id, row) for row in rows)


def _insert(job_id: JobId, rows: list[NewTask]) -> None:
    sql.insert_tasks(str(job_id), rows)
    bell.ring()
    tally = Tally()
    tally.begin_all(job_id, rows)
    tally.write()


def _discover_one(job_id: JobId, row: NewTask) -> int:
    try:
        with transaction.atomic():
            _insert(job_id, [row])
    except IntegrityError:
        if tasks_at(job_id, [row.path]).exists():
            return 0
        raise
    return 1


_FREE = frozenset(TASK_MOVES["rediscover"].sources)


class Seen(NamedTuple):
    """A change together with what the totals need of the row's past."""

    change: SeenTask
    old_kind: str
    old_size: int


def rediscover(job_id: JobId, rows: Sequence[Seen]) -> int:
    """Known paths that look different now go to the status the scan chose; returns how many were won. What is in
    somebody's hand, or was cancelled with its job, is left alone whatever the scan thinks."""
    rows = [row for row in rows if row.change.expected in _FREE]
    if not rows:
        return 0
    with transaction.atomic():
        won = sql.refresh_tasks([row.change for row in rows])
        bell.ring()
        tally = Tally()
        for change, old_kind, old_size in rows:
            if change.id in won:
                tally.move(job_id, old_kind, old_size, change.expected, TaskStatus(change.status), None)
                if (old_kind, old_size) != (change.kind, change.size):
                    _correct(tally, job_id, change, old_kind, old_size)
        tally.write()
    return len(won)


def _correct(tally: Tally, job_id: JobId, change: SeenTask, old_kind: str, old_size: int) -> None:
    tally.add(job_id, f"{old_kind}.{change.status}", -1)
    tally.add(job_id, f"{old_kind}.{change.status}.bytes", -old_size)
    tally.move(job_id, change.kind, change.size, None, change.status)
