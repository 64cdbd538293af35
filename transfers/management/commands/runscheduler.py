"""`manage.py runscheduler [--once]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from jobs.bell import Listener
from jobs.management.checked import CheckedCommand
from transfers.engine.memory import keep_what_is_loaded
from transfers.management.startup import refuse_unready
from transfers.queue import open_queue
from transfers.scheduler.scheduler import Scheduler
from transfers.signals import StopFlag


class Command(CheckedCommand):
    """Scan jobs when they are due and publish what is to be copied."""

    help = "Scan jobs when they are due and publish what is to be copied. Several may run; one leads."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--once", action="store_true", help="perform the scans that are due, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        refuse_unready()
        keep_what_is_loaded()
        flag = StopFlag()
        with open_queue() as broker:
            scheduler = Scheduler(broker)
            if options["once"]:
                scheduler.run_once()
            else:
                with Listener(flag.wake):
                    scheduler.run(flag.wait)
