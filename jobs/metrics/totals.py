"""The installation as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min, Q, Sum
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from jobs import selectors
from jobs.insight import failures_by_reason
from jobs.models import Counter, Job, Notification, Scan, TaskKind
from jobs.states import JobStatus, TaskStatus
from jobs.waiting import tasks_in_hand


def total_families() -> Iterator[Metric]:
    """Jobs, tasks, bytes, scans, the scheduler and what waits to be told."""
    yield from _jobs()
    yield from _tasks()
    yield _failures()
    yield from _scans()
    yield from _scheduler()
    yield from _notifications()


def _jobs() -> Iterator[Metric]:
    jobs = GaugeMetricFamily("syncf_jobs", "Jobs by status.", labels=["status"])
    counts = dict(Job.objects.values_list("status").annotate(count=Count("pk")).order_by())
    for status in JobStatus:
        jobs.add_metric([status], counts.get(status.value, 0))
    yield jobs
    text = "Running or paused jobs of which nothing is copied until somebody helps, by reason."
    parked = GaugeMetricFamily("syncf_jobs_parked", text, labels=["reason"])
    rows = Job.objects.filter(status__in=[JobStatus.RUNNING, JobStatus.PAUSED]).exclude(parked_code="")
    for reason, count in rows.values_list("parked_code").annotate(count=Count("pk")).order_by():
        parked.add_metric([reason], count)
    yield parked


def _tasks() -> Iterator[Metric]:
    sums = dict(Counter.objects.values_list("name").annotate(sum=Sum("delta")).order_by())
    tasks = GaugeMetricFamily("syncf_tasks", "Tasks by kind and status.", labels=["kind", "status"])
    size = GaugeMetricFamily("syncf_tasks_bytes", "Bytes of files by status.", labels=["status"])
    for status in TaskStatus:
        for kind in TaskKind.values:
            tasks.add_metric([kind, status], sums.get(f"{kind}.{status}", 0))
        size.add_metric([status], sums.get(f"file.{status}.bytes", 0))
    yield from (tasks, size)
    for name, counter, text in _COUNTED:
        yield CounterMetricFamily(name, text, value=sums.get(counter, 0))


_COUNTED = (
    ("syncf_copied_files", "copied", "Files sent to sinks and proved."),
    ("syncf_adopted_files", "adopted", "Files found equal at the sink; nothing was sent."),
    ("syncf_copied_bytes", "bytes_copied", "Bytes sent to sinks."),
    ("syncf_resumed_bytes", "bytes_resumed", "Bytes found at a sink after an interruption and not sent again."),
)


def _failures() -> Metric:
    text = "Failed tasks by reason; of all reasons together the first 10,000 are counted."
    family = GaugeMetricFamily("syncf_tasks_failed", text, labels=["reason"])
    for failures in failures_by_reason(Job.objects.exclude(status=JobStatus.KILLED)):
        family.add_metric([failures.reason_code], failures.tasks)
    return family


def _scans() -> Iterator[Metric]:
    unfinished = Scan.objects.filter(finished_at=None, is_preview=False).aggregate(
        requested=Count("pk", filter=Q(started_at=None)),
        scanning=Count("pk", filter=Q(started_at__isnull=False)),
        oldest=Min("requested_at"),
    )
    scans = GaugeMetricFamily("syncf_scans_unfinished", "Scans that wait or are under way.", labels=["phase"])
    for phase in ("requested", "scanning"):
        scans.add_metric([phase], unfinished[phase])
    yield scans
    text = "Age of the oldest scan that has not finished; 0 without any."
    yield GaugeMetricFamily("syncf_scan_oldest_seconds", text, value=age(unfinished["oldest"]))


def _scheduler() -> Iterator[Metric]:
    lease = selectors.leader()
    yield GaugeMetricFamily("syncf_scheduler_up", "1 while a scheduler leads.", value=float(lease is not None))
    left = 0.0 if lease is None else -age(lease.expires_at)
    yield GaugeMetricFamily("syncf_scheduler_lease_seconds", "Until the leader's lease ends.", value=max(0.0, left))
    text = "Since when the task is under way that is so longest; 0 without any."
    oldest = tasks_in_hand().aggregate(oldest=Min("started_at"))["oldest"]
    yield GaugeMetricFamily("syncf_task_oldest_in_hand_seconds", text, value=age(oldest))


def _notifications() -> Iterator[Metric]:
    waiting = Notification.objects.filter(ended_at=None).aggregate(count=Count("pk"), oldest=Min("created_at"))
    yield GaugeMetricFamily("syncf_notifications_waiting", "Notifications not delivered yet.", value=waiting["count"])
    text = "Age of the oldest notification that is not delivered; 0 without any."
    yield GaugeMetricFamily("syncf_notification_oldest_seconds", text, value=age(waiting["oldest"]))


def age(moment: datetime | None) -> float:
    """Seconds since then; 0 for never."""
    return 0.0 if moment is None else (timezone.now() - moment).total_seconds()
