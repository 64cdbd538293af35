"""The end of a slave's work on a task, fenced by owner and epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction

from jobs import sql
from jobs.counters import Tally
from jobs.models import Checkpoint, JobEvent, JobId, Slave, Upload
from jobs.sql.rows import Copied, Settlement
from jobs.states import TaskStatus


class Settled(NamedTuple):
    """A settlement together with what the totals and the history need."""

    settlement: Settlement
    job_id: JobId
    kind: str
    old_size: int
    has_upload: bool
    copied: int
    resumed: int
    adopted: bool
    dropped_bits: bool


_LOUD = frozenset({TaskStatus.FAILED, TaskStatus.SKIPPED})


def settle(slave: Slave, rows: Sequence[Settled]) -> set[int]:
    """End the work on these tasks; returns the ids that were still this slave's at that epoch."""
    if not rows:
        return set()
    with transaction.atomic():
        won = sql.settle_tasks(str(slave.pk), [row.settlement for row in rows])
        ours = [row for row in rows if row.settlement.id in won]
        tally = Tally()
        for row in ours:
            _count(tally, row)
        tally.write()
        _forget_uploads(row.settlement.id for row in ours if row.has_upload and _is_completed(row))
        JobEvent.objects.bulk_create(_failure_event(slave, row) for row in ours if row.settlement.status in _LOUD)
    return won


def settle_copied(slave: Slave, job_id: JobId, rows: Sequence[Copied], *, old_bytes: int) -> bool:
    """Complete small files that were copied as they should be, all or none: False, and nothing is written, if one of
    them is not this slave's at that epoch any more. `old_bytes`: the sum of their sizes when they were claimed."""
    try:
        with transaction.atomic():
            if sql.settle_copied(str(slave.pk), rows) < len(rows):
                raise _NotAllOurs
            tally = Tally()
            copied, moved = sum(row.copied_bytes for row in rows), {"tasks": len(rows), "before": old_bytes}
            tally.move_many(job_id, "file", TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, **moved, after=copied)
            tally.add(job_id, "copied", len(rows))
            tally.add(job_id, "bytes_copied", copied)
            tally.write()
    except _NotAllOurs:
        return False
    return True


class _NotAllOurs(Exception):
    """Undoes the transaction."""


def _is_completed(row: Settled) -> bool:
    """Only then is there no partial left. One of a task that failed for good is removed by a slave's housekeeping,
    which finds it by its upload."""
    return row.settlement.status == TaskStatus.COMPLETED


def _count(tally: Tally, row: Settled) -> None:
    done = row.settlement
    tally.move(row.job_id, row.kind, row.old_size, TaskStatus.IN_PROGRESS, done.status, done.size)
    tally.add(row.job_id, "bytes_copied", row.copied)
    if row.resumed:
        tally.add(row.job_id, "bytes_resumed", row.resumed)
    if row.dropped_bits:
        tally.add(row.job_id, "dropped_bits", 1)
    if done.status == TaskStatus.COMPLETED and row.kind == "file":
        tally.add(row.job_id, "adopted" if row.adopted else "copied", 1)


def _forget_uploads(ids: Iterable[int]) -> None:
    final = list(ids)
    if final:
        Upload.objects.filter(task_id__in=final).delete()
        Checkpoint.objects.filter(task_id__in=final).delete()


def _failure_event(slave: Slave, row: Settled) -> JobEvent:
    done = row.settlement
    return JobEvent(
        job_id=row.job_id,
        task_id=done.id,
        actor=f"slave:{slave.name}",
        action=done.status,
        reason_code=done.reason_code,
        text=done.reason_text,
    )
