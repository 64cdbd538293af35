"""When a job will be through."""

from __future__ import annotations

from typing import NamedTuple

from jobs.insight.phase import Phase
from jobs.insight.speed import Speed
from jobs.progress import Progress

#: By fewer of them, in half a minute, files are not judged.
ENOUGH_FILES = 20


class Eta(NamedTuple):
    """How long until nothing is left. Neither a figure nor estimating: there is nothing to wait for."""

    seconds: float | None = None
    is_estimating: bool = False
    """Work is under way, but a scan still adds to it, or nothing was copied yet to judge by."""


def eta_of(progress: Progress, phase: Phase, speed: Speed) -> Eta:
    """From what is known already. By bytes or by files, whichever takes longer; a handful of files says nothing of how
    many there will be in a second, as long as there are bytes to judge by."""
    if phase is Phase.SCANNING:
        return Eta(is_estimating=True)
    if phase is Phase.IDLE:
        return Eta()
    pairs = [(progress.bytes_left, speed.bytes_per_second)]
    if speed.files >= ENOUGH_FILES or not progress.bytes_left:
        pairs.append((progress.files_left, speed.files_per_second))
    found = [left / rate for left, rate in pairs if left and rate > 0]
    return Eta(max(found)) if found else Eta(is_estimating=True)
