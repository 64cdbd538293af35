"""All that a list says about a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jobs.insight.eta import Eta, eta_of
from jobs.insight.freshness import Freshness, freshness_of
from jobs.insight.phase import Hands, Phase, hands, phase_of
from jobs.insight.speed import Speed, speeds
from jobs.models import Job, Scan
from jobs.progress import Progress, overviews
from jobs.selectors import live_slaves


class JobInsight(NamedTuple):
    """One job, now."""

    progress: Progress
    last_scan: Scan | None
    """The latest that is no preview, finished or not."""
    phase: Phase
    speed: Speed
    eta: Eta
    freshness: Freshness

    @property
    def is_estimating(self) -> bool:
        """Whether a scan is still adding to what is to be copied, so that a percentage would mislead."""
        return self.phase is Phase.SCANNING


def look(jobs: Sequence[Job]) -> dict[str, JobInsight]:
    """Job id → insight, for a page of jobs in six queries."""
    ids = [job.pk for job in jobs]
    known, held, has_slaves = overviews(ids), hands(ids), live_slaves().exists()
    fast = speeds(ids, {key: each.last_scan.started_at for key, each in known.items() if each.last_scan})
    found = {}
    for job in jobs:
        key = str(job.pk)
        overview, speed = known[key], fast[key]
        phase = phase_of(job, overview, held.get(key, Hands()), has_slaves=has_slaves)
        eta = eta_of(overview.progress, phase, speed)
        found[key] = JobInsight(*overview, phase, speed, eta, freshness_of(job, overview))
    return found


def job_insight(job: Job) -> JobInsight:
    """Of one job."""
    return look([job])[str(job.pk)]
