"""A slave's moves: claim, and settle, fenced by owner and epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from jobs import sql
from jobs.batches import Waiting
from jobs.counters import Tally
from jobs.models import Checkpoint, JobEvent, JobId, Slave, Task, Upload
from jobs.sql.rows import Settlement
from jobs.states import WAITING, JobStatus, TaskStatus


class Claimed(NamedTuple):
    """A task that is now ours, at its new epoch."""

    id: int
    job_id: JobId
    kind: str
    path: bytes
    size: int
    epoch: int
    attempts: int
    compare_first: bool


Choose = Callable[[Sequence[Waiting]], Collection[int]]


def claimable() -> Q:
    """Tasks a claim may take, their jobs included."""
    return Q(status__in=WAITING, job__status=JobStatus.RUNNING, job__parked_code="") & (
        Q(not_before__isnull=True) | Q(not_before__lte=Now())
    )


_CLAIM_COLUMNS = ("id", "job_id", "kind", "path", "size", "epoch", "attempts", "compare_first", "status")


def claim(
    slave: Slave, tasks: QuerySet[Task], *, job_ids: list[str], limit: int, choose: Choose | None = None
) -> list[Claimed]:
    """Take up to `limit` of `tasks` (already filtered to what this slave may serve) for this slave, at a new epoch.

    `choose` may take fewer of the rows that were found. The job rows are held under a share lock, so no claim
    succeeds once a pause or kill is committed. Nor does one by an incarnation that was declared dead and has not
    heard of it yet: the reaper would take the work back at once, and each time an attempt would be lost."""
    with transaction.atomic():
        sql.lock_jobs(job_ids)
        if not _is_live(slave):
            return []
        locked = tasks.filter(claimable(), job_id__in=job_ids).select_for_update(skip_locked=True, of=("self",))
        rows = list(locked.values_list(*_CLAIM_COLUMNS)[:limit])
        if choose is not None:
            chosen = choose([Waiting(row[0], row[4], row[6]) for row in rows])
            rows = [row for row in rows if row[0] in chosen]
        if not rows:
            return []
        _take(slave, [row[0] for row in rows])
        tally = Tally()
        for row in rows:
            tally.move(row[1], row[2], row[4], row[8], TaskStatus.IN_PROGRESS)
        tally.write()
    return [
        Claimed(id, job, kind, bytes(path), size, epoch + 1, attempts + 1, compare)
        for id, job, kind, path, size, epoch, attempts, compare, _ in rows
    ]


def _is_live(slave: Slave) -> bool:
    live = Slave.objects.filter(pk=slave.pk, lease_expires_at__gt=Now()).exclude(state=Slave.State.OFFLINE)
    return live.exists()


def _take(slave: Slave, ids: list[int]) -> None:
    won = Task.objects.filter(id__in=ids, status__in=WAITING).update(
        status=TaskStatus.IN_PROGRESS,
        owner=slave,
        slave_name=slave.name,
        epoch=F("epoch") + 1,
        attempts=F("attempts") + 1,
        started_at=Now(),
        completed_at=None,
        not_before=None,
        reason_code="",
        reason_text="",
    )
    if won != len(ids):
        raise IntegrityError(f"{len(ids)} tasks were locked but {won} could be claimed")


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


def _is_completed(row: Settled) -> bool:
    """Only then is there no partial left. One of a task that failed for good is removed by a slave's housekeeping,
    which finds it by its upload."""
    return row.settlement.status == TaskStatus.COMPLETED


def _count(tally: Tally, row: Settled) -> None:
    done = row.settlement
    tally.move(row.job_id, row.kind, row.old_size, TaskStatus.IN_PROGRESS, done.status, done.size)
    tally.add(row.job_id, "bytes_copied", row.copied)
    tally.add(row.job_id, "bytes_resumed", row.resumed)
    tally.add(row.job_id, "dropped_bits", int(row.dropped_bits))
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
