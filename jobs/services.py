"""What people ask of jobs: the one place API, admin and commands call. Every call writes its history row.

The web never walks a tree and never copies: what is to be *done* is written as a row (a requested scan, a pending
task), and the scheduler or a slave does it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobs import bell, parking, transitions
from jobs.errors import Conflict
from jobs.models import Installation, Job, JobEvent, Scan, Task
from jobs.notifications.addresses import check_webhook
from jobs.refusals import check_options, check_roots
from jobs.states import JobStatus
from jobs.storages import blaming, job_root, opened
from storage_backends import fidelity


class Options(TypedDict, total=False):
    """A job's options; what is left out keeps the model's default."""

    name: str
    interval: timedelta | None
    verify: str
    exclude: str
    include: str
    bytes_per_second: int | None
    max_attempts: int
    when_changing: str
    quiet_seconds: int
    webhook_url: str


def installation() -> Installation:
    """This database's own row, made on first use."""
    return Installation.objects.get_or_create(pk=1)[0]


def actor_of(user: AbstractBaseUser) -> str:
    """How history names a person."""
    return f"user:{user.get_username()}"


# ── create and change ─────────────────────────────────────────────────────────────────────────────────────────


def create_job(
    *,
    actor: str,
    source_type: str,
    source_path: str,
    sink_type: str,
    sink_path: str,
    owner: AbstractBaseUser | None = None,
    is_due: bool = True,
    **options: Unpack[Options],
) -> Job:
    """Check everything that can be checked now, then create the job and (`is_due`) have it scanned at once.

    Raises Refusal naming the field (400) or Conflict when another job is in the way (409); nothing is written then."""
    job = Job(
        source_type=source_type, source_path=source_path, sink_type=sink_type, sink_path=sink_path, owner_id=_pk(owner)
    )
    _apply(job, options)
    with transaction.atomic():
        lock_installation()
        check_roots(job, asker=owner)
        job.next_scan_at = Now() if is_due else None
        job.save(force_insert=True)
        JobEvent.objects.create(job=job, actor=actor, action="create", text=str(job))
        bell.ring()
        for sentence in losses(job):
            JobEvent.objects.create(job=job, actor=actor, action="warn", text=sentence)
    job.refresh_from_db()
    return job


def _pk(owner: AbstractBaseUser | None) -> int | None:
    return None if owner is None else owner.pk


def update_options(job: Job, *, actor: str, **options: Unpack[Options]) -> Job:
    """Change a job while it runs: the next scan, claim or second of copying goes by the new values."""
    _apply(job, options)
    with transaction.atomic():
        job.save(update_fields=[*options, "updated_at"])
        if "interval" in options:
            Job.objects.filter(pk=job.pk, status=JobStatus.RUNNING).update(next_scan_at=Now())
        JobEvent.objects.create(job=job, actor=actor, action="change", text=", ".join(sorted(options)))
        bell.ring()
    return job


def _apply(job: Job, options: Options) -> None:
    for name, value in options.items():
        setattr(job, name, value)
    check_webhook(options.get("webhook_url", ""))
    check_options(job)


def lock_installation() -> None:
    """Hold the row that checks across jobs are made under, until this transaction ends."""
    Installation.objects.select_for_update().get(pk=installation().pk)


def losses(job: Job) -> list[str]:
    """What the sink can't keep of what the source has, in sentences."""
    with (
        blaming("source"), opened(job_root(job, "source")._replace(path=b"")) as source,
        blaming("sink"), opened(job_root(job, "sink")._replace(path=b"")) as sink,
    ):  # fmt: skip
        return fidelity.losses(source.capabilities, sink.capabilities)


# ── steer ─────────────────────────────────────────────────────────────────────────────────────────────────────


def pause_job(job: Job, *, actor: str) -> bool:
    """No claim succeeds from now on; running copies stop at a checkpoint. False if it was paused already."""
    return transitions.move_job(job, "pause", actor=actor)


def resume_job(job: Job, *, actor: str) -> bool:
    """Go on where it stopped. False if it was running already."""
    return transitions.move_job(job, "resume", actor=actor)


def kill_job(job: Job, *, actor: str) -> bool:
    """End it for good; what was not copied is cancelled, the history stays. False if it was killed already."""
    return transitions.move_job(job, "kill", actor=actor)


def run_now(job: Job, *, actor: str) -> Scan:
    """Scan as soon as the scheduler comes by; a completed run-once job runs again."""
    with transaction.atomic():
        hold(job)
        _rerun_if_completed(job, actor)
        parking.try_again(job, actor=actor)
        scan = _request_scan(job, is_preview=False)
        JobEvent.objects.create(job=job, actor=actor, action="run_now")
    return scan


def preview(job: Job, *, actor: str) -> Scan:
    """A dry run: a scan that records what it would do and writes no task."""
    with transaction.atomic():
        hold(job)
        scan = _request_scan(job, is_preview=True)
        JobEvent.objects.create(job=job, actor=actor, action="preview")
    return scan


def hold(job: Job) -> None:
    """Hold the job and see it as it is now: the scheduler completes it at any time."""
    transitions.lock_job_alone(job.pk)
    job.refresh_from_db()


def _rerun_if_completed(job: Job, actor: str) -> None:
    if job.status == JobStatus.COMPLETED:
        transitions.move_job(job, "rerun", actor=actor)
    elif job.status != JobStatus.RUNNING:
        hint = "Resume it first." if job.status == JobStatus.PAUSED else ""
        raise Conflict(f"JOB_IS_{job.status.upper()}", f"The job is {job.status}; it can't be scanned.", hint=hint)


def _request_scan(job: Job, *, is_preview: bool) -> Scan:
    if job.status == JobStatus.KILLED:
        raise Conflict("JOB_IS_KILLED", "The job is killed; it can't be scanned.")
    try:
        with transaction.atomic():
            bell.ring()
            return Scan.objects.create(job=job, is_preview=is_preview)
    except IntegrityError:
        hint = "Wait until it has finished."
        raise Conflict("SCAN_UNDER_WAY", "A scan of this job is requested or under way.", hint=hint) from None


def retry_failed(job: Job, *, actor: str, failed_before: datetime | None = None, reason_code: str = "") -> int:
    """Failed and skipped tasks (that ended before a moment, or for one reason) become pending with fresh attempts;
    returns how many."""
    tasks = Task.objects.filter(job=job)
    if reason_code:
        tasks = tasks.filter(reason_code=reason_code)
    if failed_before is not None:
        tasks = tasks.filter(completed_at__lt=failed_before)
    return _retry(job, tasks, actor=actor)


def retry_task(task: Task, *, actor: str) -> int:
    """The same for one task; 0 if it was not failed or skipped."""
    return _retry(task.job, Task.objects.filter(pk=task.pk), actor=actor)


def _retry(job: Job, tasks: QuerySet[Task], *, actor: str) -> int:
    """Each once: what slaves see fail again meanwhile is not taken again, or this would last as long as they do."""
    now = Job.objects.filter(pk=job.pk).values_list(Now(), flat=True).get()
    once = tasks.filter(Q(completed_at=None) | Q(completed_at__lte=now))
    count = 0
    while moved := _retry_batch(job, once, actor):
        count += moved
    return count


def _retry_batch(job: Job, tasks: QuerySet[Task], actor: str) -> int:
    """A batch and, in the same transaction, the return from completion, which the scheduler may bring at any time."""
    with transaction.atomic():
        hold(job)
        if job.status == JobStatus.KILLED:
            raise Conflict("JOB_IS_KILLED", "The job is killed; nothing of it can be retried.")
        moved = transitions.retry_batch(tasks, actor=actor)
        if moved and job.status == JobStatus.COMPLETED:
            transitions.move_job(job, "rerun", actor=actor, text="retry")
    return moved
