"""What the leading scheduler does to jobs as a whole, every turn."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from jobs import allowances, counters, scans, transitions
from jobs.compiled import Compiled, which_find
from jobs.models import IdempotencyKey, Job, JobEvent, Notification, Sample, Slave, Task
from jobs.notifications.outbox import Happening, tell
from jobs.selectors import finished_run_once_jobs, publishing
from jobs.states import JobStatus
from jobs.waiting import has, waiting_directories, waiting_files

SLAVE_DAYS = 30
IDEMPOTENCY_KEY_DAYS = 7
NOTIFICATION_DAYS = 30
#: Each of them asks about all of them once more: a question that is compiled for one would cost more.
FINISHED_AT_ONCE = 20


class Chores(NamedTuple):
    """Whether a scheduler would find something to do now."""

    scan: bool
    hint: bool
    completion: bool


def chores(machine: str) -> Chores:
    """One statement, for who asks many times a second and mostly for nothing."""
    due, claimable, files, directories, finished = which_find(
        *scans.questions(machine), *publishing(), _finished()
    )
    return Chores(due or claimable, files or directories, finished)


def complete_finished() -> int:
    """Run-once jobs of which nothing is left to do."""
    count = 0
    while done := sum(map(_complete_if_finished, _finished().rows())):
        count += done
    return count


@cache
def _finished() -> Compiled[Job]:
    return Compiled(finished_run_once_jobs().order_by("pk")[:FINISHED_AT_ONCE])


def _complete_if_finished(job: Job) -> bool:
    with transaction.atomic():
        transitions.lock_job_alone(job.pk)
        return job in _finished().rows() and _complete(job)  # still, now that nobody can change it


def _complete(job: Job) -> bool:
    won = transitions.move_job(job, "complete", actor="scheduler")
    if won:
        tell(job, Happening.COMPLETED)
    return won


def cancel_killed() -> int:
    """A batch of waiting tasks of every killed job."""
    return sum(map(transitions.cancel_batch, _killed().rows()))


@cache
def _killed() -> Compiled[Job]:
    is_waited_for = Q(has(waiting_files())) | Q(has(waiting_directories()))
    return Compiled(Job.objects.filter(is_waited_for, status=JobStatus.KILLED))


def tidy() -> None:
    """Fold the counters, forget old samples, history, incarnations, idempotency keys, what was told and what nobody
    took to be told."""
    counters.fold()
    allowances.forget_past()
    Sample.objects.filter(at__lt=Now() - timedelta(seconds=Sample.KEPT_SECONDS)).delete()
    JobEvent.objects.filter(at__lt=Now() - timedelta(days=scans.HISTORY_DAYS)).delete()
    IdempotencyKey.objects.filter(created_at__lt=Now() - timedelta(days=IDEMPOTENCY_KEY_DAYS)).delete()
    long_ago = Now() - timedelta(days=NOTIFICATION_DAYS)
    never_addressed = Q(channel=Notification.Channel.EVERYBODY, ended_at=None, not_before__lt=long_ago)
    Notification.objects.filter(Q(ended_at__lt=long_ago) | never_addressed).delete()
    owning = Task.objects.filter(owner=OuterRef("pk"))
    old = Slave.objects.filter(~Exists(owning), state=Slave.State.OFFLINE)
    old.filter(lease_expires_at__lt=Now() - timedelta(days=SLAVE_DAYS)).delete()
