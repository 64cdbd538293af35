"""What one incarnation writes of its work: outcomes, how far files are, and what people see of it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence

from jobs import parking, samples, transitions, uploads
from jobs.models import Slave
from jobs.transitions import Claimed
from transfers.engine.contracts import Outcome, Result
from transfers.slave import settling
from transfers.slave.answers import Answer
from transfers.slave.claims import Batch
from transfers.slave.patience import Patience
from transfers.slave.throughput import Throughput

log = logging.getLogger(__name__)


class Ledger:
    """Used by the main loop alone."""

    def __init__(self, slave: Slave, patience: Patience, throughput: Throughput) -> None:
        self._slave, self._patience, self._throughput = slave, patience, throughput
        self._progress: dict[uploads.Key, int] = {}

    def settle(self, answer: Answer) -> None:
        """Write outcomes: in short if all of those are still ours, else one by one."""
        is_written = not answer.copied or self._patience.persist(lambda: self._settle_copied(answer))
        pairs = answer.others if is_written else answer.in_full()
        if pairs:
            self._patience.persist(lambda: self._settle_in_full(answer, pairs))

    def give_back(self, batch: Batch) -> None:
        """Release what nobody has begun; of a killed job the scheduler cancels it then."""
        pairs = list(zip(batch.tasks, settling.released(batch.tasks), strict=True))
        self.settle(Answer(batch.job, time.time(), set(), pairs, []))

    def progressed(self, job_id: uuid.UUID, key: uploads.Key, done: int, sent: int) -> None:
        """A file under way: so many bytes are at the sink, so many were sent in this attempt."""
        self._progress[key] = done
        self._throughput.progressed(job_id, key, sent)

    def save_progress(self) -> None:
        """How far the files under way are. What is lost where the database goes away is told again by the next one."""
        progress, self._progress = self._progress, {}
        uploads.save_progress(self._slave, progress)

    def sample(self) -> None:
        """Counted twice where the database went away at the wrong moment: nothing but a curve depends on it."""
        if moved := self._throughput.moved():
            samples.record(moved)
            self._throughput.forget()

    def _settle_copied(self, answer: Answer) -> bool:
        rows, old_bytes = answer.copied_rows(), answer.claimed_bytes()
        is_written = transitions.settle_copied(self._slave, answer.job.pk, rows, old_bytes=old_bytes)
        if is_written:
            self._throughput.copied(answer.job.pk, len(rows), sum(row.copied_bytes for row in rows))
        return is_written

    def _settle_in_full(self, answer: Answer, pairs: Sequence[tuple[Claimed, Outcome]]) -> None:
        rows = answer.settled(pairs)
        won = transitions.settle(self._slave, rows)
        for task, outcome in pairs:
            self._forget(answer.job.pk, task, outcome, is_won=task.id in won)
        if len(won) < len(rows):
            log.warning("%d of %d tasks were not ours any more and are left alone", len(rows) - len(won), len(rows))
        if lack := settling.lack_of_room(pair for pair in pairs if pair[0].id in won):
            parking.park_full(answer.job, lack, actor=f"slave:{self._slave.name}")

    def _forget(self, job_id: uuid.UUID, task: Claimed, outcome: Outcome, *, is_won: bool) -> None:
        key = (task.id, task.epoch)
        is_complete = is_won and outcome.result is Result.COMPLETED and task.kind == "file"
        self._progress.pop(key, None)
        self._throughput.ended(job_id, key, outcome.bytes_copied, is_complete=is_complete)
