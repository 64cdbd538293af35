"""Reading: what API, admin, commands and the scheduler look up. Nothing here writes.

What a slave looks up is in `claimable` (jobs) and `uploads` (what an earlier attempt left).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs import sql
from jobs.claimable import Looks, claimable_jobs, with_directories_only, with_files
from jobs.compiled import Compiled
from jobs.models import Job, JobId, Lease, Scan, Slave, Task
from jobs.states import JobStatus
from jobs.waiting import by_kind, is_active


def visible_jobs(user: Any) -> QuerySet[Job]:
    """A user's own jobs; everybody's for holders of `view_all_jobs`."""
    jobs = Job.objects.select_related("owner")
    if user.has_perm("jobs.view_all_jobs"):
        return jobs
    return jobs.filter(owner=user) if user.is_authenticated else jobs.none()


def went_through(scan: Scan) -> bool:
    """Whether the scan ended and saw all there is."""
    return bool(scan.finished_at) and not scan.error_code and not scan.errors


def tracked_tasks(job: Job) -> QuerySet[Task]:
    """What tracking lists: files and links, not directories."""
    return by_kind(Task.objects.filter(job=job))[0]


# ── for the scheduler ─────────────────────────────────────────────────────────────────────────────────────────


def due_jobs() -> QuerySet[Job]:
    """Running jobs whose time has come and of which no scan is requested or under way."""
    unfinished = Scan.objects.filter(job=OuterRef("pk"), finished_at=None)
    return Job.objects.filter(~Exists(unfinished), status=JobStatus.RUNNING, next_scan_at__lte=Now())


def jobs_to_publish() -> list[Job]:
    """Jobs of which a file or link may be claimed now."""
    return publishing().for_files.rows()


def files_to_publish(job_id: JobId, after: int, limit: int) -> list[tuple[int, int, int]]:
    """(id, size, attempts) of files and links of a job behind this id that may be claimed now."""
    return sql.due_files(str(job_id), after, limit)


def jobs_with_only_directories() -> list[Job]:
    """Jobs of which only directories are left to do."""
    return publishing().for_directories.rows()


@cache
def publishing() -> Looks:
    """Both questions."""
    jobs = claimable_jobs()
    return Looks(Compiled(with_files(jobs).order_by("created_at")), Compiled(with_directories_only(jobs)))


def expired_slaves() -> QuerySet[Slave]:
    """Incarnations that are gone (lease over, or signed off) and still own tasks, or were never marked offline."""
    owning = Task.objects.filter(owner=OuterRef("pk"))
    over = Q(lease_expires_at__lte=Now())
    offline = Q(state=Slave.State.OFFLINE)
    return Slave.objects.filter((over & ~offline) | (offline & Q(Exists(owning))))


def finished_run_once_jobs() -> QuerySet[Job]:
    """Running jobs without interval whose last scan went through and whose tasks, directories too, are all final."""
    unfinished = Scan.objects.filter(job=OuterRef("pk"), finished_at=None)
    scanned = Scan.objects.filter(job=OuterRef("pk"), finished_at__isnull=False, is_preview=False)
    last = scanned.order_by("-id")
    return (
        Job.objects.filter(~is_active(), ~Exists(unfinished), Exists(scanned))
        .filter(status=JobStatus.RUNNING, interval=None, next_scan_at=None)
        .annotate(last_error=last.values("error_code")[:1], last_errors=last.values("errors")[:1])
        .filter(last_error="", last_errors=0)
    )


# ── who is at work ────────────────────────────────────────────────────────────────────────────────────────────


def leader() -> Lease | None:
    """Who leads now, if anybody's lease is fresh."""
    return Lease.objects.filter(name="scheduler", expires_at__gt=Now()).first()


def live_workers() -> int:
    """How many workers the live slaves have together."""
    return sum(slave.concurrency for slave in all_live_slaves())


def all_live_slaves() -> list[Slave]:
    """Cheaper than `live_slaves`, where all of them are wanted."""
    return _live_slaves().rows()


@cache
def _live_slaves() -> Compiled[Slave]:
    return Compiled(live_slaves())


def live_slaves() -> QuerySet[Slave]:
    """Incarnations whose lease is fresh."""
    return Slave.objects.filter(lease_expires_at__gt=Now()).exclude(state=Slave.State.OFFLINE)


def workers_of_jobs(job_ids: Collection[JobId]) -> dict[str, int]:
    """Job id → how many slaves copy for it now; a job's rate is shared among them."""
    rows = Task.objects.filter(job_id__in=job_ids, owner__isnull=False).values_list("job_id")
    return {str(job): count for job, count in rows.annotate(slaves=Count("owner", distinct=True)).order_by()}
