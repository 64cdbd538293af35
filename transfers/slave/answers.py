"""What a worker answered, sorted by how it is written: in short what went as it should, in full all else."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from jobs.models import Job
from jobs.sql.rows import Copied
from jobs.transitions import Claimed, Settled
from transfers.engine.contracts import Outcome
from transfers.engine.messages import Outcomes, Plain, unpack
from transfers.slave.settling import FRESH_SECONDS, settled

_make = tuple.__new__


class Answer(NamedTuple):
    """Answers for claimed tasks of one job."""

    job: Job
    begun_at: float
    """Wall clock when the worker got the tasks."""
    has_upload: set[int]
    """Ids of tasks that have an unfinished upload in the database."""
    others: list[tuple[Claimed, Outcome]]
    copied: list[tuple[Claimed, Plain]]

    def claimed_bytes(self) -> int:
        """Of those told in short, as they were claimed."""
        return sum([task.size for task, _ in self.copied])

    def in_full(self) -> list[tuple[Claimed, Outcome]]:
        """All of them the long way: somebody has taken some of the tasks from us."""
        return self.others + [(task, unpack(plain)) for task, plain in self.copied]

    def settled(self, pairs: Iterable[tuple[Claimed, Outcome]]) -> list[Settled]:
        """What to write for these pairs."""
        known, begun_at = self.has_upload, self.begun_at
        return [settled(self.job, *pair, has_upload=pair[0].id in known, begun_at=begun_at) for pair in pairs]

    def copied_rows(self) -> list[Copied]:
        """What to write in short; says the same as `settled` does (a test holds the two together)."""
        fresh_from = int((self.begun_at - FRESH_SECONDS) * 1e9)
        fresh_to = int((time.time() + FRESH_SECONDS) * 1e9)
        rows = []
        for _, plain in self.copied:
            task_id, epoch, sha256, size, mtime_ns, version, *sink = plain
            is_fresh = mtime_ns is not None and fresh_from < mtime_ns < fresh_to
            rows.append(_make(Copied, (sha256, size, mtime_ns, version, *sink, size, is_fresh, task_id, epoch)))
        return rows


def sort(job: Job, claimed: dict[int, Claimed], has_upload: set[int], begun_at: float, answer: Outcomes) -> Answer:
    """Take the answered tasks out of `claimed`. Answers for others (answered before, of an older epoch) are dropped."""
    others = [(task, outcome) for outcome in answer.outcomes if (task := _taken(claimed, *outcome[:2]))]
    copied = []
    for plain in answer.copied:
        task = claimed.get(plain[0])
        if task is None or task.epoch != plain[1]:
            continue
        del claimed[task.id]
        if task.kind == "file" and task.epoch == 1 and task.id not in has_upload:
            copied.append((task, plain))
        else:
            others.append((task, unpack(plain)))
    return Answer(job, begun_at, has_upload, others, copied)


def _taken(claimed: dict[int, Claimed], task_id: int, epoch: int) -> Claimed | None:
    task = claimed.get(task_id)
    if task is None or task.epoch != epoch:
        return None
    return claimed.pop(task_id)
