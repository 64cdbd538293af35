"""From waiting tasks to an assignment for one worker."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from django.db import transaction

from jobs import batches, sql, transitions
from jobs.changes import Changes
from jobs.claimable import jobs_with_directories, jobs_with_work, servable_jobs
from jobs.models import Job, Slave, Task, WhenChanging
from jobs.selectors import live_workers
from jobs.storages import Side, job_root
from jobs.transitions import Claimed
from jobs.uploads import Memory, memories
from jobs.waiting import is_busy_with_files
from storage_backends.base import Kind
from transfers.engine.contracts import Assignment, Place, Verify, Work

DIRECTORIES_AT_ONCE = 2000
BRIEF_BYTES = 64 << 20
#: For so long the answer to which jobs have work is believed while they go on having some; to ask costs as much as
#: claiming a hundred files.
REMEMBER_SECONDS = 0.5
#: Tries that are due are found so late at most while nothing is written.
DUE_SECONDS = 0.5

_make = tuple.__new__
_size = attrgetter("size")
_KINDS = {kind.value: kind for kind in Kind}


class Batch(NamedTuple):
    """Claimed tasks of one job, for one worker."""

    job: Job
    tasks: Sequence[Claimed]
    is_brief: bool
    """Whether it is done in seconds at most."""

    @classmethod
    def of(cls, job: Job, tasks: Sequence[Claimed]) -> Batch:
        """These tasks."""
        is_brief = not job.bytes_per_second and sum(map(_size, tasks)) <= BRIEF_BYTES
        return cls(job, tasks, is_brief)


def _pieces(job: Job, tasks: Sequence[Claimed]) -> Iterator[Sequence[Claimed]]:
    """The hint may be old: a file that failed since is taken alone."""
    by_id = {task.id: task for task in tasks}
    waiting = (batches.Waiting(task.id, task.size, task.attempts - 1) for task in tasks)
    for ids in batches.cut(waiting, most_bytes=batches.most_bytes(job.bytes_per_second)):
        yield [by_id[task_id] for task_id in ids]


class Claims:
    """What one slave finds when it asks the database itself."""

    def __init__(self, slave: Slave) -> None:
        self._slave = slave
        self._jobs: list[Job] = []
        """Those that had work when it was last asked; whether one may be claimed from, each claim asks again."""
        self._forget_at = 0.0
        self._workers = slave.concurrency
        """Of all live slaves."""
        self._changes = Changes(DUE_SECONDS)

    def next(self, lead: float = 0.0) -> Batch | None:
        """Claim the next batch of any job (in random order, for fairness), or directories where only those are left.
        `lead`: files that its worker can do until the others are free.

        Cheap where it finds nothing and nothing was written since it last found nothing."""
        if not self._changes.are_possible():
            return None
        if time.monotonic() < self._forget_at and (batch := self._claim_files(lead)):
            return batch
        self._look()
        return self._claim_files(lead) or _claim_directories(self._slave)

    def named(self, ids: Sequence[int]) -> list[Batch]:
        """Claim what a hint names, as far as it is waiting and ours to serve, cut as if it were cut now.

        A hint is about one job; that of its first and last task is asked for, because asking for all of them costs as
        much as the claim. What a forged one names beside that is found by whoever looks in the database."""
        named = set(Task.objects.filter(id__in={ids[0], ids[-1]}).values_list("job_id", flat=True))
        if time.monotonic() >= self._forget_at or not named <= {job.pk for job in self._jobs}:
            self._look()
        found = []
        for job in [job for job in self._jobs if job.pk in named]:
            tasks = transitions.claim_named(self._slave, job.pk, ids)
            found += [Batch.of(job, piece) for piece in _pieces(job, tasks)]
        return found

    def _look(self) -> None:
        self._jobs, self._forget_at = jobs_with_work(self._slave), time.monotonic() + REMEMBER_SECONDS
        self._workers = max(self._slave.concurrency, live_workers())

    def _claim_files(self, lead: float) -> Batch | None:
        for job in random.sample(self._jobs, len(self._jobs)):
            if batch := _claim_of(self._slave, job, self._workers, lead):
                return batch
        return None


def _claim_of(slave: Slave, job: Job, workers: int, lead: float) -> Batch | None:
    """A batch as large as leaves as much again for every worker: few and large while there is much, and at the end
    none waits long for another one's last batch."""
    waiting = sql.count_waiting(str(job.pk), 2 * workers * batches.MOST_BATCH_FILES)
    share = batches.share(waiting, workers=workers, lead=lead)
    most_bytes = batches.most_bytes(job.bytes_per_second)
    tasks = transitions.claim_files(
        slave,
        job.pk,
        limit=share.most + 1,  # what comes next says whether a directory ends
        choose=lambda rows: batches.next_batch(rows, share, most_bytes=most_bytes),
    )
    return Batch.of(job, tasks) if tasks else None


def _claim_directories(slave: Slave) -> Batch | None:
    for job in jobs_with_directories(slave):
        with transaction.atomic():
            transitions.lock_job_alone(job.pk)
            if not servable_jobs(slave).filter(~is_busy_with_files(), pk=job.pk).exists():
                continue
            tasks = transitions.claim_directories(slave, job.pk, limit=DIRECTORIES_AT_ONCE)
        if tasks:
            return Batch.of(job, tasks)
    return None


def assignment(batch: Batch, *, number: int, installation: str) -> Assignment:
    """The batch in the engine's words."""
    # Nothing can be left of a task that was never claimed before.
    left = memories([task.id for task in batch.tasks if task.epoch > 1])
    job = batch.job
    works = [
        _make(Work, (task_id, epoch, attempts, _KINDS[kind], path, size, compare_first, sink_version, "", (), b""))
        for task_id, _, kind, path, size, epoch, attempts, compare_first, sink_version in batch.tasks
    ]
    if left:
        works = [_remembering(work, left.get(work.task_id)) for work in works]
    return Assignment(
        number=number,
        job_id=str(job.pk),
        installation=installation,
        source=_place(job, "source"),
        sink=_place(job, "sink"),
        verify=Verify(job.verify),
        works=tuple(works),
        quiet_seconds=job.quiet_seconds if job.when_changing == WhenChanging.WAIT else 0,
    )


def _remembering(work: Work, memory: Memory | None) -> Work:
    return work._replace(**memory._asdict()) if memory else work


def _place(job: Job, side: Side) -> Place:
    root = job_root(job, side)
    device = job.sink_device if side == "sink" else job.source_device
    # Another machine may give the same shared storage another device number, so there the scan alone makes the
    # directory: where it is missing, the storage is not mounted.
    is_bound = bool(job.machine_id)
    return Place(root.url, root.path, create=side == "sink" and is_bound, device=device if is_bound else "")
