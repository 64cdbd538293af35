"""Per-job totals: every move writes what it changed as delta rows; reading sums them; the scheduler folds them."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Collection, Iterator
from operator import attrgetter
from typing import Protocol

from django.db import transaction
from django.db.models import Count, Sum

from jobs import sql
from jobs.models import Counter, JobId

#: Fold a job's rows once it has more than this many.
FOLD_ROWS = 200


class Counted(Protocol):
    """What the totals need of a task."""

    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def status(self) -> str: ...


_looks, _size = attrgetter("kind", "status"), attrgetter("size")


def _sums(rows: Collection[Counted]) -> Iterator[tuple[str, str, int, int]]:
    """(kind, status, tasks, bytes) of each combination there is; mostly there is one."""
    found = Multiset(map(_looks, rows))
    for (kind, status), tasks in found.items():
        alike = rows if len(found) == 1 else [row for row in rows if _looks(row) == (kind, status)]
        yield kind, status, tasks, sum(map(_size, alike))


class Tally:
    """Collects the changes of one transaction and writes one row per (job, name)."""

    def __init__(self) -> None:
        self._deltas: dict[tuple[JobId, str], int] = {}
        self._moves: dict[tuple[JobId, str, str | None, str], list[int]] = {}
        """(job, kind, from, to) → [tasks, bytes before, bytes after]; there are few, however many tasks move."""

    def add(self, job_id: JobId, name: str, delta: int) -> None:
        """Change the total `name` of the job by `delta`."""
        self._deltas[job_id, name] = self._deltas.get((job_id, name), 0) + delta

    def move(
        self, job_id: JobId, kind: str, size: int, source: str | None, target: str, new_size: int | None = None
    ) -> None:
        """One task went from status `source` (None: it is new) to `target`."""
        self.move_many(job_id, kind, source, target, tasks=1, before=size, after=size if new_size is None else new_size)

    def move_many(
        self, job_id: JobId, kind: str, source: str | None, target: str, *, tasks: int, before: int, after: int
    ) -> None:
        """Several tasks did, which were of `before` bytes together and are of `after` now."""
        sums = self._moves.setdefault((job_id, kind, source, target), [0, 0, 0])
        sums[0] += tasks
        sums[1] += before
        sums[2] += after

    def move_all(self, job_id: JobId, rows: Collection[Counted], target: str) -> None:
        """Tasks of one job went from the status each has to `target`."""
        for kind, status, tasks, size in _sums(rows):
            self.move_many(job_id, kind, status, target, tasks=tasks, before=size, after=size)

    def begin_all(self, job_id: JobId, rows: Collection[Counted]) -> None:
        """New tasks of one job, in the status each has."""
        for kind, status, tasks, size in _sums(rows):
            self.move_many(job_id, kind, None, status, tasks=tasks, before=0, after=size)

    def write(self) -> None:
        """Insert the rows; call inside the transaction of the move."""
        for (job_id, kind, source, target), (tasks, before, after) in self._moves.items():
            if source is not None:
                self.add(job_id, f"{kind}.{source}", -tasks)
                self.add(job_id, f"{kind}.{source}.bytes", -before)
            self.add(job_id, f"{kind}.{target}", tasks)
            self.add(job_id, f"{kind}.{target}.bytes", after)
        self._moves.clear()
        sql.insert_counters([(str(job), name, delta) for (job, name), delta in self._deltas.items() if delta])


def totals(job_id: JobId) -> dict[str, int]:
    """Name → total, for one job."""
    rows = Counter.objects.filter(job_id=job_id).values_list("name").annotate(total=Sum("delta"))
    return dict(rows.order_by())


def totals_of(job_ids: Collection[JobId]) -> dict[str, dict[str, int]]:
    """Job id → name → total, for a page of jobs in one query."""
    result: dict[str, dict[str, int]] = {str(job): {} for job in job_ids}
    rows = Counter.objects.filter(job_id__in=job_ids).values_list("job_id", "name").annotate(total=Sum("delta"))
    for job, name, total in rows.order_by():
        result[str(job)][name] = total
    return result


def fold() -> int:
    """Replace the delta rows of busy jobs by their sums; returns how many jobs were folded."""
    busy = Counter.objects.values_list("job_id").annotate(rows=Count("id")).filter(rows__gt=FOLD_ROWS).order_by()
    jobs = [job for job, _ in busy]
    for job in jobs:
        _fold_job(job)
    return len(jobs)


def _fold_job(job: JobId) -> None:
    with transaction.atomic():
        rows = list(Counter.objects.select_for_update().filter(job_id=job).order_by("id"))
        tally = Tally()
        for row in rows:
            tally.add(job, row.name, row.delta)
        Counter.objects.filter(id__in=[row.id for row in rows]).delete()
        tally.write()
