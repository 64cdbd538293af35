"""Hints for what waits: batches of task ids, as many as the live workers will soon want, never more.

What was published is remembered here and nowhere else, as the highest id of each job: a scheduler that starts anew
publishes a few hints twice, which costs a slave one look. What comes back later below that id (retries, work of a slave
that ended) is found by slaves that ask the database, and published again after a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from typing import NamedTuple

from jobs import selectors
from jobs.batches import BATCH_FILES, Waiting, cut, most_bytes
from jobs.models import Job, JobId
from jobs.waiting import due_directories
from transfers.broker.base import Broker, Hint
from transfers.broker.errors import BrokerError

log = logging.getLogger(__name__)

HINTS_PER_WORKER = 3
#: What was published and still waits after this, while the queue is empty, is published again.
STALE_SECONDS = 30.0


class Mark(NamedTuple):
    """How far a job's tasks were published, and when (monotonic) that began at the first of them."""

    last_id: int
    begun_at: float


class Planned(NamedTuple):
    """A hint that is to be sent, and the job it is about."""

    job_id: JobId
    hint: Hint


class Publisher:
    """Keeps the queue filled; an unreachable broker only makes slaves slower (they ask the database)."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._is_down = False
        self._files: dict[JobId, Mark] = {}
        self._directories: dict[JobId, Mark] = {}

    def publish(self) -> int:
        """Publish what is missing; returns how many hints were confirmed."""
        waiting = self._broker.pending()
        if waiting is None:
            return 0
        room = max(1, selectors.live_workers()) * HINTS_PER_WORKER - waiting
        if room <= 0:
            return 0
        patience = STALE_SECONDS if waiting == 0 else 10 * STALE_SECONDS
        return self._send(self._plan_files(room, patience), self._files) + self._send(
            self._plan_directories(patience), self._directories
        )

    def forget(self) -> None:
        """Nothing waits, so what comes back is published anew."""
        self._files.clear()
        self._directories.clear()

    def _plan_files(self, room: int, patience: float) -> list[Planned]:
        """Batches of all jobs in turn, so that a large job does not keep a small one waiting."""
        jobs = selectors.jobs_to_publish()
        self._files = _fresh(self._files, jobs, patience)
        batches = chain.from_iterable(zip_longest(*(self._batches(job, room) for job in jobs)))
        return list(islice(filter(None, batches), room))

    def _batches(self, job: Job, room: int) -> Iterator[Planned]:
        mark = self._files.get(job.pk)
        waiting = selectors.files_to_publish(job.pk, mark.last_id if mark else 0, room * BATCH_FILES)
        for ids in cut(map(Waiting._make, waiting), most_bytes=most_bytes(job.bytes_per_second)):
            yield Planned(job.pk, Hint(tuple(ids)))

    def _plan_directories(self, patience: float) -> list[Planned]:
        """One hint for all directories of a job of which nothing else is left: who gets it takes them together."""
        jobs = selectors.jobs_with_only_directories()
        self._directories = _fresh(self._directories, jobs, patience)
        found = ((job, due_directories().filter(job=job).first()) for job in jobs if job.pk not in self._directories)
        return [Planned(job.pk, Hint((task.pk,))) for job, task in found if task is not None]

    def _send(self, planned: list[Planned], marks: dict[JobId, Mark]) -> int:
        if not planned:
            return 0
        try:
            confirmed = self._broker.publish([each.hint for each in planned])
        except BrokerError as error:
            if not self._is_down:
                log.warning("hints can't be published, slaves ask the database meanwhile: %s", error)
            self._is_down = True
            return 0
        self._is_down = False
        for job_id, hint in planned[:confirmed]:
            old = marks.get(job_id)
            marks[job_id] = Mark(hint.task_ids[-1], old.begun_at if old else time.monotonic())
        return confirmed


def _fresh(marks: dict[JobId, Mark], jobs: list[Job], patience: float) -> dict[JobId, Mark]:
    """The marks that still count: their job has something waiting, and its hints may still be under way."""
    begun_after = time.monotonic() - patience
    return {job.pk: marks[job.pk] for job in jobs if job.pk in marks and marks[job.pk].begun_at > begun_after}
