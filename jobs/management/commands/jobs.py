"""`manage.py jobs VERB`: what the admin and the API do, from a shell. The services decide, `jobs.terminal` shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import pluralize

from jobs import services
from jobs.errors import Refusal
from jobs.management.checked import CheckedCommand
from jobs.models import Job
from jobs.shell import find_job, shell_actor
from jobs.states import JobStatus
from jobs.terminal import report
from jobs.terminal.look import title
from jobs.terminal.watch import watch

if TYPE_CHECKING:
    from argparse import _SubParsersAction

OK, REFUSED, USAGE, INTERRUPTED = 0, 1, 2, 130
_ID = "of the job, or its beginning"


def _pause(job: Job, actor: str) -> str:
    return "paused" if services.pause_job(job, actor=actor) else "was paused already"


def _resume(job: Job, actor: str) -> str:
    return "runs again" if services.resume_job(job, actor=actor) else "was running already"


def _kill(job: Job, actor: str) -> str:
    return "killed" if services.kill_job(job, actor=actor) else "was killed already"


def _run(job: Job, actor: str) -> str:
    services.run_now(job, actor=actor)
    return "is scanned now"


def _retry(job: Job, actor: str) -> str:
    tasks = services.retry_failed(job, actor=actor)
    return f"{tasks:,} task{pluralize(tasks, ' is,s are')} tried again"


STEERING: dict[str, tuple[str, Callable[[Job, str], str]]] = {
    "pause": ("stop at a checkpoint, until resume", _pause),
    "resume": ("go on where it stopped", _resume),
    "kill": ("end it for good; what was copied and its history stay", _kill),
    "retry": ("try failed and skipped files again, with fresh attempts", _retry),
    "run": ("scan now; a completed run-once job runs again", _run),
}


class Command(CheckedCommand):
    """List, look at, steer and watch jobs."""

    help = (
        "List, look at, steer and watch jobs. An id may be shortened to a beginning that no other job has. Exit code: "
        "0 done, 1 refused (of watch: the job ended, and not everything arrived), 2 usage or no such job, "
        "130 interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand per verb."""
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        listing = _verb(verbs, "list", "the jobs, newest first; without killed ones unless asked for")
        listing.add_argument("--status", action="append", choices=[str(s) for s in JobStatus], help="repeatable")
        _verb(verbs, "show", "one job: options, progress, failures by reason, last events").add_argument("id", help=_ID)
        _verb(verbs, "watch", "show progress until the job ends, or Ctrl-C").add_argument("id", help=_ID)
        for name, (words, _) in STEERING.items():
            _verb(verbs, name, words).add_argument("ids", nargs="+", metavar="id", help=_ID)
        verbs.choices["kill"].add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and exit with its code."""
        doings = {"list": self._list, "show": self._show, "watch": self._watch}
        try:
            code = doings.get(options["verb"], self._steer)(options)
        except Refusal as refusal:
            self.stderr.write(refusal.in_full)
            code = USAGE
        sys.exit(code)

    def _list(self, options: dict[str, Any]) -> int:
        wanted = options["status"] or [status for status in JobStatus if status != JobStatus.KILLED]
        jobs = list(Job.objects.filter(status__in=wanted).select_related("owner"))
        self.stdout.write(report.jobs_json(jobs) if options["json"] else report.jobs_table(jobs))
        return OK

    def _show(self, options: dict[str, Any]) -> int:
        job = find_job(options["id"])
        self.stdout.write(report.job_json(job) if options["json"] else report.job_text(job))
        return OK

    def _watch(self, options: dict[str, Any]) -> int:
        try:
            is_whole = watch(find_job(options["id"]), sys.stdout, is_json=options["json"])
        except KeyboardInterrupt:
            return INTERRUPTED
        return OK if is_whole else REFUSED

    def _steer(self, options: dict[str, Any]) -> int:
        """All ids are looked up before anything is done: a misspelt one leaves all as it is."""
        verb, actor = options["verb"], shell_actor()
        jobs = [find_job(text) for text in dict.fromkeys(options["ids"])]
        if verb == "kill" and not options["yes"] and not self._is_agreed(jobs):
            self.stderr.write("Nothing was killed.")
            return REFUSED
        results = [_result(job, verb, actor) for job in jobs]
        for result in [] if options["json"] else results:
            (self.stdout if result["done"] else self.stderr).write(f"{result['id'][:8]}  {result['message']}")
        if options["json"]:
            self.stdout.write(json.dumps(results))
        return OK if all(result["done"] for result in results) else REFUSED

    def _is_agreed(self, jobs: list[Job]) -> bool:
        if not sys.stdin.isatty():
            hint = "Say --yes where nobody can be asked."
            raise Refusal("NOT_CONFIRMED", "A kill is final and was not confirmed.", hint=hint)
        for job in jobs:
            self.stderr.write(f"{job.pk}  {job.status}  {title(job)}")
        self.stderr.write("A kill is final. Kill? [y/N] ", ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _verb(verbs: _SubParsersAction[CommandParser], name: str, words: str) -> CommandParser:
    parser = verbs.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    parser.add_argument("--json", action="store_true", help="for programs, on stdout")
    return parser


def _result(job: Job, verb: str, actor: str) -> dict[str, Any]:
    try:
        message, is_done = STEERING[verb][1](job, actor), True
    except Refusal as refusal:
        message, is_done = refusal.in_full, False
    job.refresh_from_db()
    return {"id": str(job.pk), "status": job.status, "done": is_done, "message": message}
