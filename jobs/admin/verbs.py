"""What can be done to jobs: one table for the list's actions, the buttons on a job, and their permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpRequest

from jobs import services
from jobs.errors import Refusal
from jobs.models import Job

MAX_REFUSALS_SHOWN = 5


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
    is_destructive: bool = False


VERBS = {
    verb.name: verb
    for verb in (
        Verb("pause", "Pause", "pause_job", services.pause_job, "paused", "paused already"),
        Verb("resume", "Resume", "pause_job", services.resume_job, "resumed", "running already"),
        Verb("run", "Run now", "run_job", services.run_now, "to be scanned now", ""),
        Verb("preview", "Preview", "run_job", services.preview, "to be previewed", ""),
        Verb("retry", "Retry failed", "run_job", services.retry_failed, "tried again", "without failed files"),
        Verb("kill", "Kill", "kill_job", services.kill_job, "killed", "killed already", is_destructive=True),
    )
}


def may(request: HttpRequest, verb: Verb) -> bool:
    """Whether who asks holds the verb's permission."""
    return bool(request.user.has_perm(f"jobs.{verb.permission}"))


def perform(request: HttpRequest, verb: Verb, jobs: Iterable[Job]) -> None:
    """Do it to each job and say what became of them: how many, how many needed nothing, who refused and why."""
    done, idle, refused = 0, 0, []
    for job in jobs:
        try:
            worked = verb.perform(job, actor=services.actor_of(request.user))  # type: ignore[arg-type]
        except Refusal as refusal:
            refused.append(f"{job}: {refusal.message} {refusal.hint}".strip())
        else:
            done, idle = (done + 1, idle) if worked else (done, idle + 1)
    _tell(request, verb, done, idle, refused)


def _tell(request: HttpRequest, verb: Verb, done: int, idle: int, refused: list[str]) -> None:
    if done:
        messages.success(request, f"{_jobs(done)} {verb.done}.")
    if idle:
        messages.info(request, f"{_jobs(idle)} {verb.idle}.")
    for text in refused[:MAX_REFUSALS_SHOWN]:
        messages.error(request, text)
    if len(refused) > MAX_REFUSALS_SHOWN:
        messages.error(request, f"… and {_jobs(len(refused) - MAX_REFUSALS_SHOWN)} more refused.")


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
