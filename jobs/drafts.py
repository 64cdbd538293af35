"""A job that is looked at before it is started: saved as paused, previewed, and then started (resumed) or discarded."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from jobs import services
from jobs.errors import Conflict
from jobs.models import Job
from jobs.states import JobStatus


def draft_job(*, actor: str, **values: Any) -> Job:
    """Create a job (see `services.create_job` for values and refusals) that waits, paused, and have it previewed."""
    with transaction.atomic():
        job = services.create_job(actor=actor, **values)
        services.pause_job(job, actor=actor)
        services.preview(job, actor=actor)
    return job


def is_draft(job: Job) -> bool:
    """Whether the job was never started: paused, and neither scanned nor a task of it known."""
    if job.status != JobStatus.PAUSED:
        return False
    return not (job.scans.filter(is_preview=False).exists() or job.tasks.exists())


def discard(job: Job) -> None:
    """Forget a draft: it never did anything, so there is no history to keep. Raises Conflict for any other job."""
    with transaction.atomic():
        services.hold(job)
        if not is_draft(job):
            raise Conflict("JOB_WAS_STARTED", "The job has been started; it can be killed, not discarded.")
        job.delete()
