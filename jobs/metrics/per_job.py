"""What differs between jobs. Jobs that are over have no series of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from jobs import insight
from jobs.insight import JobInsight
from jobs.models import Job
from jobs.states import UNFINISHED_JOB, JobStatus, TaskStatus

_LABELS = ["job_id", "job"]


class _Measure(NamedTuple):
    name: str
    text: str
    value: Callable[[JobInsight], float | None]
    """None: there is nothing to say."""


_MEASURES = (
    _Measure("syncf_job_files", "Files of the job, without skipped and cancelled ones.", lambda i: i.progress.files),
    _Measure("syncf_job_bytes", "Bytes of these files.", lambda i: i.progress.bytes_total),
    _Measure("syncf_job_done_bytes", "Bytes of these files that are at the sink.", lambda i: i.progress.bytes_done),
    _Measure(
        "syncf_job_failed_files", "Files given up.", lambda i: i.progress.by_status[TaskStatus.FAILED]
    ),
    _Measure("syncf_job_unsynced_tasks", "Tasks not at the sink.", lambda i: i.freshness.unsynced),
    _Measure(
        "syncf_job_lag_seconds",
        "The oldest change that is not at the sink is at most this old.",
        lambda i: i.freshness.lag_seconds,
    ),
    _Measure(
        "syncf_job_eta_seconds", "Until nothing is left; missing while it is not known.", lambda i: i.eta.seconds
    ),
    _Measure(
        "syncf_job_last_scan_timestamp_seconds",
        "When the last scan ended.",
        lambda i: i.last_scan.finished_at.timestamp() if i.last_scan and i.last_scan.finished_at else None,
    ),
    _Measure(
        "syncf_job_last_scan_errors",
        "Paths the last scan could not look at.",
        lambda i: i.last_scan.errors if i.last_scan else None,
    ),
    _Measure(
        "syncf_job_last_scan_failed",
        "1 if the last scan did not go through.",
        lambda i: float(bool(i.last_scan.error_code)) if i.last_scan else None,
    ),
)


def job_families() -> Iterator[Metric]:
    """One sample per unfinished job and measure; speed and queue of all of them together. Seven queries."""
    jobs = list(Job.objects.filter(status__in=UNFINISHED_JOB).order_by("created_at"))
    found = insight.look(jobs)
    pairs = [(job, found[str(job.pk)]) for job in jobs]
    for measure in _MEASURES:
        family = GaugeMetricFamily(measure.name, measure.text, labels=_LABELS)
        for job, seen in pairs:
            value = measure.value(seen)
            if value is not None:
                family.add_metric([str(job.pk), str(job)], value)
        yield family
    yield _queue(pairs)
    yield from _throughput(found)


def _queue(pairs: list[tuple[Job, JobInsight]]) -> Metric:
    text = "Files that wait for a slave, of jobs that run and are not parked."
    claimable = [seen for job, seen in pairs if job.status == JobStatus.RUNNING and not job.parked_code]
    waiting = (TaskStatus.PENDING, TaskStatus.RETRYING)
    depth = sum(seen.progress.by_status[status] for seen in claimable for status in waiting)
    return GaugeMetricFamily("syncf_queue_files", text, value=depth)


def _throughput(found: dict[str, JobInsight]) -> Iterator[Metric]:
    size = sum(seen.speed.bytes_per_second for seen in found.values())
    files = sum(seen.speed.files_per_second for seen in found.values())
    yield GaugeMetricFamily("syncf_throughput_bytes_per_second", "Sent in the last half minute.", value=size)
    yield GaugeMetricFamily("syncf_throughput_files_per_second", "Completed in the last half minute.", value=files)
