"""What every command that works with storages looks at first."""

from __future__ import annotations

from typing import Any

from django.core.checks import run_checks
from django.core.management.base import BaseCommand, CommandError

from jobs.checks import CHECKS

MISCONFIGURED = 2
"""Exit code: somebody has to change something first."""


class CheckedCommand(BaseCommand):
    """Begins nothing while a setting is wrong. Checking all of the site would import all of it: longer than many a
    command takes."""

    requires_system_checks = (CHECKS,)

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Raises CommandError: a line for each setting, with what mends it."""
        wrong = [f"{each.msg} {each.hint or ''}".strip() for each in run_checks(tags=[CHECKS])]
        if wrong:
            raise CommandError("\n".join(wrong), returncode=MISCONFIGURED)
