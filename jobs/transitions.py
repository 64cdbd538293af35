"""Every move of a job or a task. Nothing else writes a status column (an architecture test says so).

A move is one compare-and-set: rows in the expected status (and, for work under way, of this owner at this epoch)
change and are returned; the others are somebody else's by now and are left alone. The totals and the history row
are written in the same transaction.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter as Multiset
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from jobs import sql
from jobs.batches import Waiting
from jobs.counters import Tally
from jobs.errors import MoveRefused
from jobs.models import Checkpoint, Job, JobEvent, JobId, Slave, Task, TaskKind, Upload
from jobs.paths import parent_directory
from jobs.sql.rows import NewTask, SeenTask, Settlement
from jobs.states import JOB_MOVES, WAITING, JobStatus, TaskStatus

#: Tasks a bulk move takes per transaction.
BATCH_TASKS = 500


# ── jobs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def move_job(job: Job, name: str, *, actor: str, text: str = "") -> bool:
    """Perform the job move `name`; False if the job was there already, MoveRefused if it can't go there."""
    move = JOB_MOVES[name]
    with transaction.atomic():
        won = Job.objects.filter(pk=job.pk, status__in=move.sources).update(status=move.target, updated_at=Now())
        job.refresh_from_db()
        if won:
            JobEvent.objects.create(job=job, actor=actor, action=name, text=text)
        elif job.status in move.sources:  # somebody brought it there since our update found nothing
            return move_job(job, name, actor=actor, text=text)
        elif job.status != move.target:
            raise MoveRefused(name, job.status, move.target)
    return bool(won)


# ── scan ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
    tally = Tally()
    for row in rows:
        tally.move(job_id, row.kind, row.size, None, row.status)
    tally.write()


def _discover_one(job_id: JobId, row: NewTask) -> int:
    try:
        with transaction.atomic():
            _insert(job_id, [row])
    except IntegrityError:
        if Task.objects.filter(job_id=job_id, path_sha256=row.path_sha256).exists():
            return 0
        raise
    return 1


class Seen(NamedTuple):
    """A change together with what the totals need of the row's past."""

    change: SeenTask
    old_kind: str
    old_size: int


def rediscover(job_id: JobId, rows: Sequence[Seen]) -> int:
    """Known paths that look different now go to the status the scan chose; returns how many were won."""
    if not rows:
        return 0
    with transaction.atomic():
        won = sql.refresh_tasks([row.change for row in rows])
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


# ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
    path_display: str
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


# ── scheduler ─────────────────────────────────────────────────────────────────────────────────────────────────


def reap(slave: Slave) -> int:
    """Take back, fenced by a new epoch, a batch of what a dead slave owned; returns how many."""
    with transaction.atomic():
        rows = list(
            Task.objects.filter(owner=slave)
            .order_by("id")
            .select_for_update(skip_locked=True, of=("self",))
            .values_list("id", "job_id", "kind", "size", "attempts", "job__max_attempts")[:BATCH_TASKS]
        )
        exhausted = {row[0] for row in rows if row[4] >= row[5]}
        _take_back([row[0] for row in rows if row[0] not in exhausted], TaskStatus.RETRYING)
        _take_back(list(exhausted), TaskStatus.FAILED)
        _record_reaped(slave, rows, exhausted)
    return len(rows)


def _take_back(ids: list[int], status: TaskStatus) -> None:
    Task.objects.filter(id__in=ids, status=TaskStatus.IN_PROGRESS).update(
        status=status,
        owner=None,
        epoch=F("epoch") + 1,
        not_before=None,
        published_at=None,
        completed_at=Now() if status == TaskStatus.FAILED else None,
        reason_code="LEASE_EXPIRED",
        reason_text="The slave died or froze while it worked on this file.",
    )


def _record_reaped(
    slave: Slave, rows: Sequence[tuple[int, uuid.UUID, str, int, int, int]], exhausted: set[int]
) -> None:
    tally, jobs = Tally(), Multiset(row[1] for row in rows)
    for task_id, job_id, kind, size, *_ in rows:
        target = TaskStatus.FAILED if task_id in exhausted else TaskStatus.RETRYING
        tally.move(job_id, kind, size, TaskStatus.IN_PROGRESS, target)
    tally.write()
    JobEvent.objects.bulk_create(
        JobEvent(
            job_id=job,
            actor="scheduler",
            action="reap",
            count=count,
            reason_code="LEASE_EXPIRED",
            text=f"{slave.name} on {slave.host} (pid {slave.pid}) stopped renewing its lease",
        )
        for job, count in jobs.items()
    )


def lock_job_alone(job_id: JobId) -> None:
    """Hold the job row so that no claim of this job happens until this transaction ends."""
    list(Job.objects.filter(pk=job_id).select_for_update(no_key=True).values_list("pk"))


def cancel_batch(job: Job) -> int:
    """Cancel a batch of waiting tasks of a killed job; returns how many. Work under way ends with its owner."""
    waiting = Task.objects.filter(job=job, job__status=JobStatus.KILLED, status__in=WAITING)
    reason = ("JOB_KILLED", "The job was killed before this file was copied.")
    return len(_move_batch(waiting, TaskStatus.CANCELLED, actor="scheduler", action="cancel", reason=reason))


def retry_batch(tasks: QuerySet[Task], *, actor: str) -> int:
    """Operator's retry: a batch of failed or skipped tasks becomes pending with fresh attempts; returns how many.

    What can't be copied at all (special files) and what is gone is left alone."""
    wanted = tasks.filter(status__in=[TaskStatus.FAILED, TaskStatus.SKIPPED], gone_at=None)
    wanted = wanted.exclude(kind=TaskKind.SPECIAL)
    with transaction.atomic():
        rows = _move_batch(wanted, TaskStatus.PENDING, actor=actor, action="retry", attempts=0)
        for job_id in {row.job_id for row in rows}:
            parents = {parent_directory(bytes(row.path)) for row in rows if row.job_id == job_id}
            revisit_directories(job_id, [hashlib.sha256(parent).digest() for parent in parents])
    return len(rows)


def revisit_directories(job_id: JobId, path_sha256s: Sequence[bytes]) -> int:
    """Completed directories whose content changes once more get their times again; returns how many."""
    wanted = Task.objects.filter(job_id=job_id, status=TaskStatus.COMPLETED)
    count = 0
    for start in range(0, len(path_sha256s), BATCH_TASKS):
        batch = wanted.filter(path_sha256__in=path_sha256s[start : start + BATCH_TASKS])
        count += len(_move_batch(batch, TaskStatus.PENDING, actor="", action="", attempts=0))
    return count


class _Moved(NamedTuple):
    """A row of a batch as it was."""

    id: int
    job_id: uuid.UUID
    kind: str
    size: int
    status: str
    path: bytes | memoryview


def _move_batch(
    tasks: QuerySet[Task],
    target: TaskStatus,
    *,
    actor: str,
    action: str,
    reason: tuple[str, str] = ("", ""),
    **changes: object,
) -> list[_Moved]:
    """Move up to BATCH_TASKS of `tasks`; returns the rows as they were."""
    with transaction.atomic():
        locked = tasks.order_by("id").select_for_update(skip_locked=True, of=("self",))
        rows = [_Moved(*row) for row in locked.values_list(*_Moved._fields)[:BATCH_TASKS]]
        Task.objects.filter(id__in=[row[0] for row in rows]).update(
            status=target, not_before=None, published_at=None, reason_code=reason[0], reason_text=reason[1], **changes
        )
        tally = Tally()
        for _, job_id, kind, size, status, _ in rows:
            tally.move(job_id, kind, size, status, target)
        tally.write()
        if action:
            _batch_events(Multiset(row[1] for row in rows), actor, action, reason)
    return rows


def _batch_events(jobs: Multiset[uuid.UUID], actor: str, action: str, reason: tuple[str, str]) -> None:
    JobEvent.objects.bulk_create(
        JobEvent(
            job_id=job,
            actor=actor,
            action=action,
            count=count,
            reason_code=reason[0],
            text=reason[1],
        )
        for job, count in jobs.items()
    )


def mark_gone(job_id: JobId, ids: Sequence[int]) -> None:
    """The paths are gone from the source: marked so; those still waiting are skipped. Work under way is left alone."""
    Task.objects.filter(id__in=ids, gone_at=None).exclude(status=TaskStatus.IN_PROGRESS).update(gone_at=Now())
    reason = ("SOURCE_GONE", "The file was gone from the source when the scan came by.")
    waiting = Task.objects.filter(job_id=job_id, id__in=ids, status__in=WAITING)
    while _move_batch(waiting, TaskStatus.SKIPPED, actor="scan", action="skip", reason=reason):
        pass


def mark_back(ids: Sequence[int]) -> None:
    """The paths are at the source again, unchanged."""
    Task.objects.filter(id__in=ids).update(gone_at=None)
