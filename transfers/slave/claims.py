"""From waiting tasks to an assignment for one worker."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from django.db import transaction

from jobs import batches, transitions
from jobs.models import Job, Slave, Task, TaskKind
from jobs.paths import task_digest
from jobs.selectors import (
    busy_with_files,
    jobs_with_directories,
    jobs_with_work,
    servable_jobs,
    upload_memories,
    waiting_directories,
    waiting_tasks,
)
from jobs.storages import Side, job_root
from jobs.transitions import Claimed
from storage_backends.base import Kind
from transfers.engine.contracts import Assignment, Place, Verify, Work

DIRECTORIES_AT_ONCE = 2000


class Batch(NamedTuple):
    """Claimed tasks of one job, for one worker."""

    job: Job
    tasks: Sequence[Claimed]


def claim_hint(slave: Slave, ids: Sequence[int]) -> list[Batch]:
    """Claim what a hint names, as far as it is waiting and ours to serve, cut as if it were cut now."""
    named = Task.objects.filter(id__in=ids).exclude(kind=TaskKind.DIRECTORY).order_by("id")
    jobs = {job.pk: job for job in servable_jobs(slave).filter(pk__in=named.order_by().values("job_id"))}
    claimed = transitions.claim(slave, named, job_ids=[str(pk) for pk in jobs], limit=len(ids))
    ordered = sorted(claimed, key=lambda task: (str(task.job_id), task.id))
    grouped = groupby(ordered, key=lambda task: task.job_id)
    return [Batch(jobs[job_id], piece) for job_id, tasks in grouped for piece in _pieces(list(tasks))]


def _pieces(tasks: Sequence[Claimed]) -> Iterator[Sequence[Claimed]]:
    """The hint may be old: a file that failed since is taken alone."""
    by_id = {task.id: task for task in tasks}
    for ids in batches.cut(batches.Waiting(task.id, task.size, task.attempts - 1) for task in tasks):
        yield [by_id[task_id] for task_id in ids]


def claim_next(slave: Slave, idle_workers: int) -> Batch | None:
    """Claim the next batch of any job (in random order, for fairness), or directories where only those are left."""
    jobs = jobs_with_work(slave)
    for job in random.sample(jobs, len(jobs)):
        if batch := _claim_of(slave, job, idle_workers):
            return batch
    return _claim_directories(slave)


def _claim_of(slave: Slave, job: Job, idle_workers: int) -> Batch | None:
    def choose(rows: Sequence[batches.Waiting]) -> Sequence[int]:
        fair = -(-len(rows) // idle_workers)
        return next(batches.cut(rows, most=max(1, fair)), [])

    tasks = transitions.claim(
        slave, waiting_tasks([job.pk]), job_ids=[str(job.pk)], limit=batches.BATCH_FILES, choose=choose
    )
    return Batch(job, tasks) if tasks else None


def _claim_directories(slave: Slave) -> Batch | None:
    for job in jobs_with_directories(slave):
        with transaction.atomic():
            transitions.lock_job_alone(job.pk)
            if not servable_jobs(slave).filter(~busy_with_files(), pk=job.pk).exists():
                continue
            tasks = transitions.claim(
                slave, waiting_directories().filter(job=job), job_ids=[str(job.pk)], limit=DIRECTORIES_AT_ONCE
            )
        if tasks:
            return Batch(job, tasks)
    return None


def assignment(batch: Batch, *, number: int, installation: str) -> Assignment:
    """The batch in the engine's words."""
    memories = upload_memories([task.id for task in batch.tasks])
    job = batch.job
    works = []
    for task in batch.tasks:
        memory = memories.get(task.id)
        works.append(
            Work(
                task_id=task.id,
                epoch=task.epoch,
                attempts=task.attempts,
                kind=Kind(task.kind),
                path=task.path,
                digest=task_digest(job.pk, task.path),
                size=task.size,
                compare_first=task.compare_first,
                token=memory.token if memory else "",
                checkpoints=memory.checkpoints if memory else (),
                intent_sha256=memory.intent_sha256 if memory else b"",
            )
        )
    return Assignment(
        number=number,
        job_id=str(job.pk),
        installation=installation,
        source=_place(job, "source"),
        sink=_place(job, "sink"),
        verify=Verify(job.verify),
        works=tuple(works),
    )


def _place(job: Job, side: Side) -> Place:
    root = job_root(job, side)
    device = job.sink_device if side == "sink" else job.source_device
    # Another machine may give the same shared storage another device number, so there the scan alone makes the
    # directory: where it is missing, the storage is not mounted.
    is_bound = bool(job.machine_id)
    return Place(root.url, root.path, create=side == "sink" and is_bound, device=device if is_bound else "")
