"""How far a job is, and a file of it: from totals, never from counting tasks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.db.models import Sum

from jobs.counters import totals_of
from jobs.latest import latest_scans
from jobs.models import Job, Scan, Task, TaskKind, Upload
from jobs.states import ACTIVE, UNSYNCED, TaskStatus

MOST_UPLOADS = 1000
"""Unfinished ones that are looked at; of more, a job that waits seems less far than it is."""


class Progress(NamedTuple):
    """Where a job stands. Files only, but for the last two, and for the skipped: those are of every kind, for most are
    links and special files."""

    files: int
    bytes_total: int
    bytes_done: int
    by_status: dict[str, int]
    copied: int
    adopted: int
    bytes_copied: int
    bytes_resumed: int
    dropped_bits: int
    bytes_failed: int = 0
    paths_left: int = 0
    """Files, links and directories that wait or are under way."""
    unsynced: int = 0
    """The same and those that failed: what is not at the sink as it should be."""

    @property
    def fraction(self) -> float:
        """0 … 1 by bytes, by files where there are no bytes to copy."""
        if self.bytes_total:
            return min(1.0, self.bytes_done / self.bytes_total)
        done = self.by_status.get(TaskStatus.COMPLETED, 0)
        return done / self.files if self.files else 0.0

    @property
    def percent(self) -> float:
        """0 … 100 with one decimal, rounded down; 100 only when nothing is unsynced, empty files and directories
        included."""
        percent = math.floor(1000 * self.fraction) / 10
        return min(99.9, percent) if self.unsynced else percent

    @property
    def bytes_left(self) -> int:
        """Bytes of files that wait or are under way and are not at the sink yet."""
        return max(0, self.bytes_total - self.bytes_done - self.bytes_failed)

    @property
    def files_left(self) -> int:
        """Files that wait or are under way."""
        return sum(self.by_status.get(status, 0) for status in ACTIVE)


def progress_from(names: dict[str, int], under_way: int) -> Progress:
    """Of a job's totals, and the bytes that files which are not complete have at the sink (`_bytes_under_way`)."""
    by_status = {status.value: names.get(f"file.{status}", 0) for status in TaskStatus}
    by_status[TaskStatus.SKIPPED] = _of_every_kind(names, (TaskStatus.SKIPPED,))
    counted = [TaskStatus.PENDING, TaskStatus.IN_PROGRESS, TaskStatus.RETRYING, TaskStatus.COMPLETED, TaskStatus.FAILED]
    return Progress(
        files=sum(by_status[status] for status in counted),
        bytes_total=sum(names.get(f"file.{status}.bytes", 0) for status in counted),
        bytes_done=names.get(f"file.{TaskStatus.COMPLETED}.bytes", 0) + under_way,
        by_status=by_status,
        copied=names.get("copied", 0),
        adopted=names.get("adopted", 0),
        bytes_copied=names.get("bytes_copied", 0),
        bytes_resumed=names.get("bytes_resumed", 0),
        dropped_bits=names.get("dropped_bits", 0),
        bytes_failed=names.get(f"file.{TaskStatus.FAILED}.bytes", 0),
        paths_left=_of_every_kind(names, ACTIVE),
        unsynced=_of_every_kind(names, UNSYNCED),
    )


def _of_every_kind(names: dict[str, int], statuses: Collection[TaskStatus]) -> int:
    return sum(names.get(f"{kind}.{status}", 0) for kind in TaskKind for status in statuses)


class Overview(NamedTuple):
    """What a list says about one job beside its own columns."""

    progress: Progress
    last_scan: Scan | None
    """The latest that is no preview, finished or not."""


def overviews(job_ids: list[Any]) -> dict[str, Overview]:
    """Job id → overview, for a page of jobs in four queries."""
    sums = totals_of(job_ids)
    under_way = _bytes_under_way(job_ids)
    scans = {str(scan.job_id): scan for scan in latest_scans(Job.objects.filter(pk__in=job_ids))}
    return {
        job: Overview(progress_from(names, under_way.get(job, 0)), scans.get(job)) for job, names in sums.items()
    }


def _bytes_under_way(job_ids: list[Any]) -> dict[str, int]:
    """Of files in a slave's hand, and of those that go on where they stopped: paused, or waiting for another try."""
    in_hand = Task.objects.filter(job_id__in=job_ids, owner__isnull=False).values_list("job_id")
    found = Counter({str(job): done for job, done in in_hand.annotate(done=Sum("copied_bytes")).order_by()})
    # Uploads are few and tasks are many: so asked, no database looks through the tasks for them. (Joined, SQLite does,
    # once somebody has analyzed it while there was no upload: it keeps nothing of an empty table.)
    unfinished = Task.objects.filter(pk__in=Upload.objects.values("pk")[:MOST_UPLOADS])
    rows: Iterable[tuple[Any, ...]] = unfinished.values_list("job_id", "owner_id", "status", "copied_bytes")
    for job, owner, status, done in rows:
        if owner is None and status in ACTIVE:
            found[str(job)] += done
    return found


def task_percent(task: Task) -> float:
    """0 … 100 of one file with one decimal; 100 only when completed."""
    if task.status == TaskStatus.COMPLETED:
        return 100.0
    return min(99.9, math.floor(1000 * task.copied_bytes / task.size) / 10) if task.size else 0.0
