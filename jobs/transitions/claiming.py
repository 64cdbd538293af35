"""A slave takes waiting tasks of one job, at a new epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from django.db import IntegrityError, transaction

from jobs import sql
from jobs.counters import Tally
from jobs.models import JobId, Slave
from jobs.sql.rows import Candidate
from jobs.states import TaskStatus

_make = tuple.__new__


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
    sink_version: str
    """What stands at the sink as we left it; empty before the first copy."""


Choose = Callable[[Sequence[Candidate]], Collection[int]]


def claim_files(slave: Slave, job_id: JobId, *, limit: int, choose: Choose | None = None) -> list[Claimed]:
    """Take files and links in the order of the catalogue; of the up to `limit` rows found, `choose` may take fewer."""

    def pick() -> list[Candidate]:
        rows = sql.next_files(str(job_id), limit)
        if choose is None:
            return rows
        chosen = set(choose(rows))
        return [row for row in rows if row.id in chosen]

    return _claim(slave, job_id, pick)


def claim_named(slave: Slave, job_id: JobId, ids: Sequence[int]) -> list[Claimed]:
    """Take those of these tasks that are waiting files or links of the job."""
    return _claim(slave, job_id, lambda: sql.named_files(str(job_id), ids))


def claim_directories(slave: Slave, job_id: JobId, *, limit: int) -> list[Claimed]:
    """Take directories, those below before those above."""
    return _claim(slave, job_id, lambda: sql.next_directories(str(job_id), limit))


def _claim(slave: Slave, job_id: JobId, pick: Callable[[], list[Candidate]]) -> list[Claimed]:
    """The job row is held under a share lock, so no claim succeeds once a pause or kill is committed. Nor does one by
    an incarnation that was declared dead and has not heard of it yet: the reaper would take the work back at once,
    and each time an attempt would be lost."""
    with transaction.atomic():
        rows = pick() if sql.hold_running(str(job_id), str(slave.pk)) else []
        if rows:
            _take(slave, job_id, rows)
    return [
        _make(Claimed, (id, job_id, kind, bytes(path), size, epoch + 1, attempts + 1, bool(compare), sink_version))
        for id, kind, path, size, epoch, attempts, compare, sink_version, _ in rows
    ]


def _take(slave: Slave, job_id: JobId, rows: Sequence[Candidate]) -> None:
    won = sql.take(str(slave.pk), slave.name, [row.id for row in rows])
    if won != len(rows):
        raise IntegrityError(f"{len(rows)} tasks were locked but {won} could be claimed")
    tally = Tally()
    tally.move_all(job_id, rows, TaskStatus.IN_PROGRESS)
    tally.write()
