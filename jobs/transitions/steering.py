"""What operators do to a job, and its completion by the scheduler."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from jobs import bell
from jobs.errors import MoveRefused
from jobs.models import Job, JobEvent, JobId
from jobs.states import JOB_MOVES


def move_job(job: Job, name: str, *, actor: str, text: str = "") -> bool:
    """Perform the job move `name`; False if the job was there already, MoveRefused if it can't go there."""
    move = JOB_MOVES[name]
    with transaction.atomic():
        won = Job.objects.filter(pk=job.pk, status__in=move.sources).update(status=move.target, updated_at=Now())
        job.refresh_from_db()
        if won:
            JobEvent.objects.create(job=job, actor=actor, action=name, text=text)
            bell.ring()
        elif job.status in move.sources:  # somebody brought it there since our update found nothing
            return move_job(job, name, actor=actor, text=text)
        elif job.status != move.target:
            raise MoveRefused(name, job.status, move.target)
    return bool(won)


def lock_job_alone(job_id: JobId) -> None:
    """Hold the job row so that no claim of this job happens until this transaction ends."""
    list(Job.objects.filter(pk=job_id).order_by().select_for_update(no_key=True).values_list("pk"))
