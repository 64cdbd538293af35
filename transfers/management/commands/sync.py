"""`manage.py sync SOURCE SINK`: one sync, here and now, with a progress bar."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import CommandParser

from jobs.errors import Refusal
from jobs.management.checked import CheckedCommand
from jobs.models import Verify
from jobs.services import Options
from transfers.engine.memory import keep_what_is_loaded
from transfers.management.numbers import MAX_WORKERS, whole_number
from transfers.oneshot.arguments import parse_place, parse_rate
from transfers.oneshot.beginning import Request
from transfers.oneshot.foreign import add_foreign
from transfers.oneshot.headstart import HeadStart
from transfers.oneshot.progress import ProgressDisplay
from transfers.oneshot.report import Report
from transfers.oneshot.schema import bring_up_to_date
from transfers.oneshot.session import Session
from transfers.signals import StopFlag

OK, FAILURES, USAGE, INTERRUPTED = 0, 1, 2, 130


class Command(CheckedCommand):
    """Make SINK like SOURCE once. Running it again after an interruption goes on where it stopped."""

    help = (
        "Make SINK like SOURCE once, verified; nothing is ever deleted at SINK. Exit code: 0 all completed and "
        "verified, 1 failures or scan errors, 2 usage, or what it knows can't be used, 130 interrupted. Run it again "
        "to go on where it stopped."
    )

    #: How people call it, where that is not by its own arguments.
    usage: str | None = None
    #: What was begun before this was loaded.
    head_start: HeadStart | None = None
    #: How it ends, with its exit code.
    leave: Callable[[int], NoReturn] = staticmethod(sys.exit)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """See `usage`."""
        return super().create_parser(prog_name, subcommand, usage=self.usage, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Places and options."""
        parser.add_argument("source", help="a directory, or alias:path of a storage")
        parser.add_argument("sink", help="the same; it is made if missing")
        parser.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
        parser.add_argument("--exclude", action="append", default=[], metavar="RULE", help="gitignore rule; repeatable")
        parser.add_argument("--include", action="append", default=[], metavar="RULE", help="gitignore rule; repeatable")
        parser.add_argument("--bwlimit", metavar="RATE", help="bytes per second: 500k, 10M, 1G")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, touch nothing")
        parser.add_argument("--verify", choices=Verify.values, default=Verify.READBACK, help="how to read back")
        parser.add_argument("--max-attempts", type=whole_number(100), default=5, help="tries per file (default 5)")
        workers = whole_number(MAX_WORKERS)
        parser.add_argument("--concurrency", type=workers, default=os.cpu_count() or 1, help="worker processes")
        add_foreign(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it and leave with its code."""
        keep_what_is_loaded()
        self.leave(self._run(options))

    def _run(self, options: dict[str, Any]) -> int:
        bring_up_to_date()
        try:
            with closing(ProgressDisplay(sys.stderr)) as progress:
                return self._sync(options, progress)
        except Refusal as refusal:
            sys.stderr.write(f"{refusal.in_full}\n")
            return USAGE

    def _sync(self, options: dict[str, Any], progress: ProgressDisplay) -> int:
        flag, begun = StopFlag(), time.monotonic()

        def is_interrupted() -> bool:
            if flag.is_set():
                progress.close("Stopping: what is under way is brought to a checkpoint. Ctrl-C again ends at once.")
            return flag.is_set()

        session = Session(_request(options), is_interrupted, progress, _warn, self.head_start)
        with session.run():
            progress.close()
            return self._tell(Report(session, time.monotonic() - begun), flag.is_set(), options["json"])

    def _tell(self, report: Report, was_interrupted: bool, is_json: bool) -> int:
        if was_interrupted:
            sys.stderr.write("Interrupted; run it again to go on where it stopped.\n")
        report.write(sys.stderr, failures_file=_failures_file(report.session))
        if not (was_interrupted or report.is_clean):
            sys.stderr.write("Mend what is named, then run the same command again: it goes on where it stopped.\n")
        is_told = not is_json or self._write(report.json())
        if was_interrupted:
            return INTERRUPTED
        return OK if report.is_clean and is_told else FAILURES

    def _write(self, text: str) -> bool:
        """Whether somebody reads it."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except OSError as error:
            sys.stderr.write(f"The JSON object could not be written to stdout: {error.strerror}.\n")
            return False
        return True


def _warn(sentence: str) -> None:
    sys.stderr.write(f"Note: {sentence}\n")


def _request(options: dict[str, Any]) -> Request:
    job_options: Options = {
        "exclude": "\n".join(options["exclude"]),
        "include": "\n".join(options["include"]),
        "bytes_per_second": parse_rate(options["bwlimit"]) if options["bwlimit"] else None,
        "verify": options["verify"],
        "max_attempts": options["max_attempts"],
    }
    return Request(
        source=parse_place(options["source"], field="source"),
        sink=parse_place(options["sink"], field="sink"),
        options=job_options,
        concurrency=options["concurrency"],
        is_dry_run=options["dry_run"],
    )


def _failures_file(session: Session) -> Path:
    """Beside the database where that is a file, else in the working directory."""
    database = settings.DATABASES["default"]
    folder = Path(database["NAME"]).parent if database["ENGINE"].endswith("sqlite3") else Path.cwd()
    return folder / f"failures-{session.job.pk}.txt"
