"""`manage.py doctor [--json]`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from transfers.management.doctor.examination import examine
from transfers.management.doctor.findings import Finding, Level

COLOURS = {Level.OK: "SUCCESS", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


class Command(BaseCommand):
    """Look at everything an installation needs."""

    help = (
        "Look at settings, database, broker, storages, clocks, free space, scheduler and slaves, and say what to do. "
        "Changes nothing. Exit code 1 if anything is an error; warnings alone are 0."
    )
    #: They are part of what it tells.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell what is found as it is found; ends with the exit code."""
        found = []
        for finding in examine():
            found.append(finding)
            if not options["json"]:
                self._tell(finding)
        counts = Counter(finding.level for finding in found)
        worst = next(level for level in (Level.ERROR, Level.WARNING, Level.OK) if counts[level])
        if options["json"]:
            findings = [finding._asdict() for finding in found]
            self.stdout.write(json.dumps({"status": worst, "findings": findings}))
        else:
            self.stdout.write(_summary(counts))
        sys.exit(1 if worst is Level.ERROR else 0)

    def _tell(self, finding: Finding) -> None:
        level = getattr(self.style, COLOURS[finding.level])(f"{finding.level:8}")
        self.stdout.write(f"{level} {finding.topic}: {finding.text}")
        if finding.todo:
            self.stdout.write(f"         -> {finding.todo}")
        self.stdout.flush()


def _summary(counts: Counter[Level]) -> str:
    if not counts[Level.ERROR] and not counts[Level.WARNING]:
        return "All is well."
    return f"Errors: {counts[Level.ERROR]}, warnings: {counts[Level.WARNING]}."
