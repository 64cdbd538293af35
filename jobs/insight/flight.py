"""The files under way."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from jobs.models import Job
from jobs.waiting import tasks_in_hand


class InFlight(NamedTuple):
    """One file in a slave's hand."""

    id: int
    path_display: str
    slave: str
    size: int
    copied_bytes: int
    """How far it is: the offset up to which the sink has it."""
    attempts: int
    started_at: datetime | None
    compare_first: bool
    """Both sides are compared before anything is sent."""

    @property
    def percent(self) -> float:
        """0 … 99.9; it is under way."""
        return min(99.9, math.floor(1000 * self.copied_bytes / self.size) / 10) if self.size else 0.0

    @property
    def doing(self) -> str:
        """comparing, copying or verifying."""
        if self.size and self.copied_bytes >= self.size:
            return "verifying"
        return "comparing" if self.compare_first and not self.copied_bytes else "copying"


def in_flight(job: Job, *, limit: int = 20) -> list[InFlight]:
    """What slaves have in hand, the largest first: of a batch of small files only some are of interest."""
    rows = tasks_in_hand().filter(job=job).order_by("-size", "id")
    columns = ("id", "path_display", "slave_name", "size", "copied_bytes", "attempts", "started_at", "compare_first")
    return [InFlight(*row) for row in rows.values_list(*columns)[:limit]]
