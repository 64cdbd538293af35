"""What the machinery does for a job at this moment."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Count, F, Q

from jobs.models import Job, JobId, TaskKind
from jobs.progress import Overview
from jobs.states import JobStatus
from jobs.waiting import tasks_in_hand


class Phase(enum.StrEnum):
    """The words of a job's page. What is copied while a scan is still under way counts as scanning."""

    SCANNING = "scanning"
    """A scan is under way: what is to be copied is not known yet, though copying has begun."""
    TRANSFERRING = "transferring"
    """Files, links or directories are under way."""
    VERIFYING = "verifying"
    """Every byte is at the sink; what is under way is read back."""
    WAITING = "waiting"
    """Some are left, and no worker has one in hand: all are busy with other jobs, or the next try is not due."""
    IDLE = "idle"
    """Nothing to do, or nobody who may do it (paused, parked, no slave alive)."""


class Hands(NamedTuple):
    """What slaves have in hand of one job."""

    tasks: int = 0
    whole: int = 0
    """Those of them whose bytes have all been sent."""


def hands(job_ids: Collection[JobId]) -> dict[str, Hands]:
    """Job id → what is in hand of it, for those of which something is; one query."""
    is_whole = Q(kind=TaskKind.FILE, size__gt=0, copied_bytes__gte=F("size"))
    rows = tasks_in_hand().filter(job_id__in=job_ids).values_list("job_id")
    counts = rows.annotate(tasks=Count("id"), whole=Count("id", filter=is_whole)).order_by()
    return {str(job): Hands(tasks, whole) for job, tasks, whole in counts}


def phase_of(job: Job, overview: Overview, held: Hands, *, has_slaves: bool) -> Phase:
    """From what is known already."""
    scan = overview.last_scan
    if scan is not None and scan.phase == "scanning":
        return Phase.SCANNING
    if held.tasks:
        return Phase.VERIFYING if held.whole == held.tasks else Phase.TRANSFERRING
    may_go_on = has_slaves and job.status == JobStatus.RUNNING and not job.parked_code
    return Phase.WAITING if may_go_on and overview.progress.paths_left else Phase.IDLE
