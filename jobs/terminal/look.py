"""Reads how a job stands: a few short statements a look, however many files."""

from __future__ import annotations

from jobs.insight import in_flight, job_insight
from jobs.models import Job, Scan, Task
from jobs.states import JobStatus, TaskStatus
from jobs.terminal.columns import shown
from jobs.terminal.live import MOST_NAMED, Picture
from jobs.waiting import tasks_in_hand


def look(job: Job, scan: Scan | None) -> Picture:
    """How `job` stands now. `scan`: the one to wait for, finished or not."""
    insight = job_insight(job)
    in_hand = tasks_in_hand().filter(job=job).count()
    return Picture(
        title=title(job),
        progress=insight.progress,
        is_scanning=scan is not None and scan.finished_at is None,
        files_seen=scan.files_seen if scan else 0,
        bytes_per_second=insight.speed.bytes_per_second,
        eta=insight.eta,
        in_flight=in_flight(job, limit=MOST_NAMED),
        in_hand=in_hand,
        note=hindrance(job) or ("" if in_hand else _setback(job, insight.progress.by_status[TaskStatus.RETRYING])),
    )


def title(job: Job) -> str:
    """The job's name, or its two places, without anything a terminal would obey."""
    return shown(str(job))


def hindrance(job: Job) -> str:
    """Why nothing is copied although there may be work; empty if nothing is in the way."""
    if job.status == JobStatus.PAUSED:
        return "paused"
    return shown(f"parked: {job.parked_code}: {job.parked_text}") if job.parked_code else ""


def _setback(job: Job, retrying: int) -> str:
    """What those met that wait for another try, by the first of them: a storage that does not answer, say."""
    task = Task.objects.filter(job=job, status=TaskStatus.RETRYING).order_by("id").first() if retrying else None
    return shown(f"{retrying:,} to be tried again: {task.reason_code}: {task.reason_text}") if task else ""
