"""Reading: what API, admin, commands and the data plane look up. Nothing here writes."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cache, lru_cache
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now

from jobs import sql
from jobs.compiled import Compiled
from jobs.counters import totals, totals_of
from jobs.models import Checkpoint, Job, JobId, Lease, Scan, Slave, Task, TaskKind, Upload
from jobs.sealing import unsealed
from jobs.states import ACTIVE, UNSYNCED, JobStatus, TaskStatus
from jobs.waiting import by_kind, due_directories, due_files, has, is_active, is_busy_with_files


def visible_jobs(user: Any) -> QuerySet[Job]:
    """A user's own jobs; everybody's for holders of `view_all_jobs`."""
    jobs = Job.objects.select_related("owner")
    if user.has_perm("jobs.view_all_jobs"):
        return jobs
    return jobs.filter(owner=user) if user.is_authenticated else jobs.none()


class Progress(NamedTuple):
    """Where a job stands. Files only, but for the last two."""

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


def job_progress(job: Job) -> Progress:
    """Totals of one job, from its counters and the few tasks under way."""
    under_way = Task.objects.filter(job=job, owner__isnull=False).aggregate(done=Sum("copied_bytes"))["done"] or 0
    return progress_from(totals(job.pk), under_way)


def progress_from(names: dict[str, int], under_way: int) -> Progress:
    """The same from totals already read."""
    by_status = {status.value: names.get(f"file.{status}", 0) for status in TaskStatus}
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
    """Job id → overview, for a page of jobs in three queries."""
    sums = totals_of(job_ids)
    under_way = _bytes_under_way(job_ids)
    scans = {str(scan.job_id): scan for scan in _last_scans(job_ids)}
    return {
        job: Overview(progress_from(names, under_way.get(job, 0)), scans.get(job)) for job, names in sums.items()
    }


def _bytes_under_way(job_ids: list[Any]) -> dict[str, int]:
    rows = Task.objects.filter(job_id__in=job_ids, owner__isnull=False).values_list("job_id")
    return {str(job): done for job, done in rows.annotate(done=Sum("copied_bytes")).order_by()}


def _last_scans(job_ids: list[Any]) -> QuerySet[Scan]:
    of_jobs = Scan.objects.filter(job_id__in=job_ids, is_preview=False)
    return Scan.objects.filter(pk__in=of_jobs.order_by().values("job_id").annotate(last=Max("id")).values("last"))


def went_through(scan: Scan) -> bool:
    """Whether the scan ended and saw all there is."""
    return bool(scan.finished_at) and not scan.error_code and not scan.errors


def task_percent(task: Task) -> float:
    """0 … 100 of one file with one decimal; 100 only when completed."""
    if task.status == TaskStatus.COMPLETED:
        return 100.0
    return min(99.9, math.floor(1000 * task.copied_bytes / task.size) / 10) if task.size else 0.0


def tracked_tasks(job: Job) -> QuerySet[Task]:
    """What tracking lists: files and links, not directories."""
    return by_kind(Task.objects.filter(job=job))[0]


# ── for slaves ────────────────────────────────────────────────────────────────────────────────────────────────


def servable_jobs(slave: Slave) -> QuerySet[Job]:
    """Running jobs both of whose storages this slave reaches."""
    return _claimable_jobs().filter(reachable(slave))


def reachable(slave: Slave, prefix: str = "") -> Q:
    """Jobs (behind the look-up `prefix`) whose storages this slave reaches, on this machine where that matters."""
    return Q(
        **{
            f"{prefix}source_type__in": slave.aliases,
            f"{prefix}sink_type__in": slave.aliases,
            f"{prefix}machine_id__in": ["", slave.machine_id],
        }
    )


def jobs_with_work(slave: Slave) -> list[Job]:
    """Servable jobs that have a file or link to copy now."""
    return _looks_of(tuple(slave.aliases), slave.machine_id).for_files.rows()


def jobs_with_directories(slave: Slave) -> list[Job]:
    """Servable jobs of which only directories are left: no scan under way, no other task that is not final."""
    return _looks_of(tuple(slave.aliases), slave.machine_id).for_directories.rows()


class Looks(NamedTuple):
    """What a slave with nothing to do, and a scheduler with a queue to fill, asks again and again."""

    for_files: Compiled[Job]
    for_directories: Compiled[Job]


@lru_cache(maxsize=2)
def _looks_of(aliases: tuple[str, ...], machine_id: str) -> Looks:
    jobs = servable_jobs(Slave(aliases=list(aliases), machine_id=machine_id))
    with_directories = jobs.filter(has(due_directories()), ~is_busy_with_files())
    return Looks(Compiled(jobs.filter(has(due_files()))), Compiled(with_directories))


class Memory(NamedTuple):
    """What an earlier attempt left in the database for one task."""

    token: str
    intent_sha256: bytes
    checkpoints: tuple[tuple[int, bytes], ...]


def upload_memories(task_ids: list[int]) -> dict[int, Memory]:
    """Task id → unfinished upload, for those that have one."""
    if not task_ids:
        return {}
    uploads = {upload.task_id: upload for upload in Upload.objects.filter(task_id__in=task_ids)}
    points: dict[int, list[tuple[int, bytes]]] = {task_id: [] for task_id in uploads}
    for row in Checkpoint.objects.filter(task_id__in=list(uploads)).order_by("task_id", "offset"):
        points[row.task_id].append((row.offset, bytes(row.sha256)))
    return {
        task_id: Memory(unsealed(upload.token), bytes(upload.intent_sha256 or b""), tuple(points[task_id]))
        for task_id, upload in uploads.items()
    }


def workers_of_jobs(job_ids: Collection[JobId]) -> dict[str, int]:
    """Job id → how many slaves copy for it now; a job's rate is shared among them."""
    rows = Task.objects.filter(job_id__in=job_ids, owner__isnull=False).values_list("job_id")
    return {str(job): count for job, count in rows.annotate(slaves=Count("owner", distinct=True)).order_by()}


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
    jobs = _claimable_jobs()
    with_directories = jobs.filter(has(due_directories()), ~is_busy_with_files())
    return Looks(Compiled(jobs.filter(has(due_files())).order_by("created_at")), Compiled(with_directories))


def _claimable_jobs() -> QuerySet[Job]:
    return Job.objects.filter(status=JobStatus.RUNNING, parked_code="")


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


def leader(name: str = "scheduler") -> Lease | None:
    """Who leads now, if anybody's lease is fresh."""
    return Lease.objects.filter(name=name, expires_at__gt=Now()).first()


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
