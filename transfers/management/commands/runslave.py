"""`manage.py runslave [slave-001] [--concurrency N]`."""

from __future__ import annotations

import os
import re
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs.errors import Refusal
from jobs.management.checked import CheckedCommand
from transfers.engine.memory import keep_what_is_loaded
from transfers.management.numbers import MAX_WORKERS, whole_number
from transfers.management.startup import refuse_unready
from transfers.signals import StopFlag
from transfers.slave.process import draw_name, run_slave

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Command(CheckedCommand):
    """Copy files for the jobs whose storages this machine can reach."""

    help = "Copy files for the jobs whose storages this machine can reach. Without a name it draws one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("name", nargs="?", help="unique among the live slaves, such as slave-001")
        workers, default = whole_number(MAX_WORKERS), os.cpu_count() or 1
        parser.add_argument("--concurrency", type=workers, default=default, help="worker processes (one per core)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C; what is under way is checkpointed and released then."""
        keep_what_is_loaded()
        name, concurrency = options["name"] or draw_name(), options["concurrency"]
        if not _NAME.fullmatch(name):
            message = f"{name!r} is no name for a slave: use a-z, 0-9 and inner dashes, at most 63."
            raise CommandError(message, returncode=2)
        refuse_unready()
        try:
            run_slave(name, concurrency=concurrency, should_stop=StopFlag().is_set)
        except Refusal as refusal:
            raise CommandError(refusal.in_full) from refusal
