"""What a one-shot sync is asked for, and the job and the scan that do it: those of an earlier run, where there are."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import parking, refusals, scans, services
from jobs.machine import machine_id
from jobs.models import Job, Scan, Task
from jobs.paths import parse_path
from jobs.services import Options
from jobs.states import JobStatus, TaskStatus
from jobs.storages import job_root
from jobs.waiting import in_status


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    source: tuple[str, str]
    sink: tuple[str, str]
    options: Options
    concurrency: int
    is_dry_run: bool = False


def find_job(request: Request) -> Job | None:
    """The job of an earlier run over the same two places goes on; its rows are what makes the second run fast."""
    (source_type, source_path), (sink_type, sink_path) = request.source, request.sink
    places = (parse_path(source_path, field="source"), parse_path(sink_path, field="sink"))
    alike = Job.objects.filter(source_type=source_type, sink_type=sink_type, interval=None)
    jobs = alike.exclude(status=JobStatus.KILLED).order_by("-created_at")
    job = next((job for job in jobs if (job_root(job, "source").path, job_root(job, "sink").path) == places), None)
    if job is not None:
        refusals.check_roots(job, ignore=job)
    return job


def create_job(request: Request) -> Job:
    """A new one."""
    (source_type, source_path), (sink_type, sink_path) = request.source, request.sink
    return services.create_job(
        actor="sync",
        source_type=source_type,
        source_path=source_path,
        sink_type=sink_type,
        sink_path=sink_path,
        is_due=False,
        **request.options,
    )


def renew(job: Job, request: Request) -> None:
    """It runs, with the options of this run. What waits for its next try waits no longer: whoever runs it again has
    mended what kept it."""
    parking.try_again(job, actor="sync")
    Task.objects.filter(in_status(TaskStatus.RETRYING), job=job, not_before__isnull=False).update(not_before=None)
    services.update_options(job, actor="sync", **request.options)
    if job.status == JobStatus.PAUSED:
        services.resume_job(job, actor="sync")


def ask_for_scan(job: Job, *, is_dry_run: bool) -> Scan:
    """One that an interrupted sync has left goes on, but none of a dry run: that would copy nothing and find all
    completed. Nor does a dry run take up one that writes: it is refused."""
    unfinished = Scan.objects.filter(job=job, finished_at=None, is_preview=is_dry_run).first()
    if unfinished is not None:
        return unfinished
    if is_dry_run:
        return services.preview(job, actor="sync")
    scans.drop_preview(job, machine_id())
    Job.objects.filter(pk=job.pk).update(next_scan_at=None)
    return services.run_now(job, actor="sync")
