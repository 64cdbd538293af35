"""What the jobs of the work in hand want by now: pause, kill, another rate."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from jobs import selectors
from jobs.models import Job
from jobs.states import JobStatus
from transfers.engine.contracts import Stop
from transfers.slave.claims import Batch
from transfers.slave.crew import Crew
from transfers.slave.ledger import Ledger
from transfers.slave.supply import Supply


class Control:
    """Of one incarnation; used by the main loop alone."""

    def __init__(self, crew: Crew, supply: Supply, ledger: Ledger) -> None:
        self._crew, self._supply, self._ledger = crew, supply, ledger

    def look(self) -> None:
        """Tell the workers what their jobs want, and give back what is in reserve for those that want nothing more."""
        busy = self._crew.busy()
        if not busy:
            return
        self._ledger.save_progress()
        ids = {batch.job.pk for batch in self._batches_in_hand()}
        jobs = {job.pk: job for job in Job.objects.filter(pk__in=ids)}
        sharing = selectors.workers_of_jobs([job for job in ids if jobs[job].bytes_per_second])
        self._give_back_stopped(jobs)
        for worker in busy:
            if worker.batch:
                job = jobs[worker.batch.job.pk]
                worker.ask_to_stop(_stop_of(job))
                mine = sum(other.batch is not None and other.batch.job.pk == job.pk for other in busy)
                worker.process.set_rate(_share(job, sharing.get(str(job.pk), 1) * mine))

    def ids_in_hand(self) -> set[int]:
        """Of the tasks that a worker has not answered for, or that wait for one."""
        reserve = {task.id for batch in self._supply.reserve for task in batch.tasks}
        return reserve.union(*(worker.open for worker in self._crew))

    def _give_back_stopped(self, jobs: dict[uuid.UUID, Job]) -> None:
        for batch in [batch for batch in self._supply.reserve if _stop_of(jobs[batch.job.pk]) is not Stop.NONE]:
            self._ledger.give_back(batch)
            self._supply.reserve.remove(batch)

    def _batches_in_hand(self) -> Iterator[Batch]:
        yield from (worker.batch for worker in self._crew if worker.batch is not None)
        yield from self._supply.reserve


def _stop_of(job: Job) -> Stop:
    """What a job's state means for work of it that is under way."""
    if job.status == JobStatus.KILLED:
        return Stop.CANCEL
    return Stop.RELEASE if job.status != JobStatus.RUNNING or job.parked_code else Stop.NONE


def _share(job: Job, workers: int) -> int:
    """This worker's part of the job's rate; 0 is unlimited."""
    return max(1, job.bytes_per_second // max(1, workers)) if job.bytes_per_second else 0
