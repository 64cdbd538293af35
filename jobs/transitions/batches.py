"""Moves of many waiting or final tasks at once, a batch per transaction."""

from __future__ import annotations

import uuid
from collections import Counter as Multiset
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs import bell
from jobs.catalogue import tasks_at
from jobs.counters import Tally
from jobs.models import Job, JobEvent, JobId, Task, TaskKind, Upload
from jobs.paths import parent_directory
from jobs.states import FINAL, WAITING, JobStatus, TaskStatus
from jobs.waiting import is_given_up, waiting_directories, waiting_files

#: Tasks a bulk move takes per transaction.
BATCH_TASKS = 500


def cancel_batch(job: Job) -> int:
    """Cancel a batch each of the files and directories of a killed job that wait; returns how many. Work under way ends
    with its owner."""
    reason = ("JOB_KILLED", "The job was killed before this file was copied.")
    count = 0
    for waiting in (waiting_files(), waiting_directories()):
        of_job = waiting.filter(job=job, job__status=JobStatus.KILLED)
        count += len(_move_batch(of_job, TaskStatus.CANCELLED, actor="scheduler", action="cancel", reason=reason))
    return count


def retry_batch(tasks: QuerySet[Task], *, actor: str) -> int:
    """Operator's retry: a batch of failed or skipped tasks becomes pending with fresh attempts; returns how many.

    What can't be copied at all (special files) and what is gone is left alone."""
    wanted = tasks.filter(is_given_up(), status__in=[TaskStatus.FAILED, TaskStatus.SKIPPED], gone_at=None)
    wanted = wanted.exclude(kind=TaskKind.SPECIAL)
    with transaction.atomic():
        rows = _move_batch(wanted, TaskStatus.PENDING, actor=actor, action="retry", attempts=0)
        for job_id in {row.job_id for row in rows}:
            parents = {parent_directory(bytes(row.path)) for row in rows if row.job_id == job_id}
            revisit_directories(job_id, sorted(parents))
    return len(rows)


def revisit_directories(job_id: JobId, paths: Sequence[bytes]) -> int:
    """Completed directories whose content changes once more get their times again; returns how many."""
    count = 0
    for start in range(0, len(paths), BATCH_TASKS):
        batch = tasks_at(job_id, paths[start : start + BATCH_TASKS]).filter(status=TaskStatus.COMPLETED)
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
    epoch: int


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
            status=target, not_before=None, reason_code=reason[0], reason_text=reason[1], **changes
        )
        tally = Tally()
        for row in rows:
            tally.move(row.job_id, row.kind, row.size, row.status, target)
        tally.write()
        if target in FINAL:
            leave_to_housekeeping(row.id for row in rows if row.epoch and row.kind != TaskKind.DIRECTORY)
        if action:
            record_batch(Multiset(row[1] for row in rows), actor, action, reason)
        if rows:
            bell.ring()
    return rows


def leave_to_housekeeping(task_ids: Iterable[int]) -> None:
    """These tasks end without having been settled by their last owner: a partial of theirs may stand at the sink. An
    upload without token makes a slave look for it by its name."""
    Upload.objects.bulk_create([Upload(task_id=task_id, token="") for task_id in task_ids], ignore_conflicts=True)


def record_batch(jobs: Multiset[uuid.UUID], actor: str, action: str, reason: tuple[str, str]) -> None:
    """One history row per job for a batch move."""
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job, actor=actor, action=action, count=count, reason_code=reason[0], text=reason[1])
        for job, count in jobs.items()
    )


def mark_gone(job_id: JobId, ids: Sequence[int]) -> None:
    """The paths are gone from the source: marked so, and told once; those still waiting are skipped. What a slave has
    in hand keeps its state: the slave will see for itself."""
    Task.objects.filter(id__in=ids, gone_at=None).update(gone_at=Now())
    reason = ("SOURCE_GONE", "The file was gone from the source when the scan came by.")
    waiting = Task.objects.filter(job_id=job_id, id__in=ids, status__in=WAITING)
    while _move_batch(waiting, TaskStatus.SKIPPED, actor="scan", action="skip", reason=reason):
        pass


def mark_back(ids: Sequence[int]) -> None:
    """The paths are at the source again, unchanged."""
    Task.objects.filter(id__in=ids).update(gone_at=None)
