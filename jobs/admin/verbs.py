"""What can be done to jobs: one table for the list's actions, the buttons on a job, and their permissions."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from jobs import services
from jobs.errors import Refusal
from jobs.models import Job
from jobs.states import JOB_MOVES, JobStatus


class Verb(NamedTuple):
    """One thing to do to a job."""

    name: str
    label: str
    permission: str
    perform: Callable[..., Any]
    """A service; what it returns is falsy when there was nothing to do."""
    done: str
    """Ends the sentence "3 jobs …"."""
    idle: str
    """The same where there was nothing to do."""
    refused: str
    """Ends the sentence "3 jobs could not be …"."""
    possible_in: frozenset[str]
    """The job's states that have a button for it. A list's action is there for all; the service has the last word."""
    is_destructive: bool = False
    in_batches: bool = False
    """One transaction would hold a million rows."""


#: How many refusals are told one by one.
NAMED = 10
NOT_KILLED = frozenset(JobStatus) - {JobStatus.KILLED}
SCANNABLE = frozenset({JobStatus.RUNNING, JobStatus.COMPLETED})

VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            *("pause", "Pause", "pause_job", services.pause_job),
            *("paused", "paused already", "paused", JOB_MOVES["pause"].sources),
        ),
        Verb(
            *("resume", "Resume", "pause_job", services.resume_job),
            *("resumed", "running already", "resumed", JOB_MOVES["resume"].sources),
        ),
        Verb(
            *("run", "Run now", "run_job", services.run_now),
            *("to be scanned now", "", "scanned", SCANNABLE),
        ),
        Verb(
            *("preview", "Preview", "run_job", services.preview),
            *("to be previewed", "", "previewed", NOT_KILLED),
        ),
        Verb(
            *("retry", "Retry failed", "run_job", services.retry_failed),
            *("tried again", "without failed files", "tried again", NOT_KILLED),
            in_batches=True,
        ),
        Verb(
            *("kill", "Kill", "kill_job", services.kill_job),
            *("killed", "killed already", "killed", JOB_MOVES["kill"].sources),
            is_destructive=True,
        ),
    )
}


#: Of a job that was only looked at so far.
START = VERBS["resume"]._replace(label="Start", done="started", refused="started")


def may(request: HttpRequest, verb: Verb) -> bool:
    """Whether who asks holds the verb's permission."""
    return bool(request.user.has_perm(f"jobs.{verb.permission}"))


def perform(request: HttpRequest, verb: Verb, jobs: Iterable[Job], **how: Any) -> None:
    """Do it to each job and say what became of them: how many, how many needed nothing, which refused and why."""
    done, idle = 0, 0
    refused: list[tuple[Job, Refusal]] = []
    for job in jobs:
        try:
            worked = _logged(request, verb, job, how)
        except Refusal as refusal:
            refused.append((job, refusal))
        else:
            done, idle = (done + 1, idle) if worked else (done, idle + 1)
    _tell(request, verb, done, idle, refused)


def _logged(request: HttpRequest, verb: Verb, job: Job, how: dict[str, Any]) -> Any:
    """The services write the history, this Django's log of who did what in the admin; both or neither, but for a retry
    of many files, which goes batch by batch."""
    with nullcontext() if verb.in_batches else transaction.atomic():
        worked = verb.perform(job, actor=services.actor_of(request.user), **how)  # type: ignore[arg-type]
        if worked:
            log_change(request, job, verb.label)
    return worked


def log_change(request: HttpRequest, row: Model, words: str) -> None:
    """One line in Django's log."""
    assert request.user.pk is not None
    LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, words, single_object=True)


def _tell(request: HttpRequest, verb: Verb, done: int, idle: int, refused: list[tuple[Job, Refusal]]) -> None:
    if done:
        messages.success(request, f"{_jobs(done)} {verb.done}.")
    if idle:
        messages.info(request, f"{_jobs(idle)} {verb.idle}.")
    # Begins with a quote or a figure: Django's pages make the first letter a capital, which would change a name.
    for job, refusal in refused[:NAMED]:
        messages.error(request, f"“{job}”: {refusal.in_full}")
    if len(refused) > NAMED:
        messages.error(request, f"{_jobs(len(refused) - NAMED)} more could not be {verb.refused}: {_reasons(refused)}.")


def _reasons(refused: list[tuple[Job, Refusal]]) -> str:
    """How many for which reason, of those that are not named."""
    codes = Multiset(refusal.code.removeprefix("JOB_IS_").replace("_", " ").lower() for _, refusal in refused[NAMED:])
    return ", ".join(f"{count} {code}" for code, count in codes.most_common())


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
