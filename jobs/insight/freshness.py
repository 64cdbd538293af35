"""How far the sink lags behind the source.

A scan's start is a moment up to which everything is known once all that the scan found is at the sink. So the oldest
change that is not at the sink is younger than the last such moment; what happened after it nobody has looked at yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from jobs.models import Job
from jobs.progress import Overview
from jobs.selectors import went_through
from jobs.states import UNFINISHED_JOB


class Freshness(NamedTuple):
    """Of one job."""

    synced_as_of: datetime | None
    """Whatever the source held then is at the sink; None before that was ever so."""
    lag_seconds: float | None
    """The oldest change that is not at the sink is at most this old: since `synced_as_of`, or since the job was
    created. None for a job that is over."""
    unsynced: int
    """Tasks known not to be at the sink: waiting, under way or failed."""


def freshness_of(job: Job, overview: Overview) -> Freshness:
    """From what is known already."""
    scan, unsynced = overview.last_scan, overview.progress.unsynced
    is_synced = scan is not None and went_through(scan) and not unsynced
    as_of = scan.started_at if scan is not None and is_synced else job.synced_as_of
    if job.status not in UNFINISHED_JOB:
        return Freshness(as_of, None, unsynced)
    return Freshness(as_of, max(0.0, (timezone.now() - (as_of or job.created_at)).total_seconds()), unsynced)
