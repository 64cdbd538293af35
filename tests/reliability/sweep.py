"""The plan of the crash sweep: kills and errors at the k-th call to the file system, all over a sync."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator

from tests.reliability.experiments import Experiment, struck
from tests.reliability.shim import Action, Strike

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ESTALE, errno.EINTR)
LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ESTALE)
"""Of those, what a sync ends with while it lasts."""
KILLS, FAULTS = 0.65, 0.27
"""Shares of the kills anywhere, and of errors; the rest are wrong bytes and altered partials."""


def plan(points: int, calls: int, sink_calls: int, seed: int) -> Iterator[Experiment]:
    """About `points` experiments. `calls`: of an undisturbed sync, of those `sink_calls` at the sink."""
    draw = random.Random(seed)
    for target in _spread(round(points * KILLS), calls, draw):
        yield struck(Strike(target, Action.KILL), only_sink=False)
    for number, target in enumerate(_spread(round(points * FAULTS), sink_calls, draw)):
        yield struck(_fault(number, target), only_sink=True)
    rest = points - round(points * KILLS) - round(points * FAULTS)
    for number, target in enumerate(_spread(rest, sink_calls, draw)):
        if number % 2:
            yield struck(Strike(target, Action.KILL), only_sink=True, tamper=seed + number + 1)
        else:
            yield struck(Strike(target, Action.GARBLE), only_sink=True)


def plan_database(points: int, calls: int, seed: int) -> Iterator[Experiment]:
    """Errors anywhere, mostly in the database."""
    draw = random.Random(seed)
    for number, target in enumerate(_spread(points, calls, draw)):
        yield struck(Strike(target, Action.FAIL, ERRORS[number % len(ERRORS)]), only_sink=False)


def garbled(write: int) -> Experiment:
    """The `write`-th write to the sink puts a wrong byte there, and says that all is well."""
    return struck(Strike(write, Action.GARBLE, only="pwrite64"), only_sink=True)


def altered(target: int) -> Experiment:
    """Killed at the `target`-th call at the sink; what is there of the big file is altered before the next sync."""
    return struck(Strike(target, Action.KILL), only_sink=True, tamper=target)


def _fault(number: int, target: int) -> Strike:
    kinds = len(ERRORS) + len(LASTING) + 1
    kind = number % kinds
    if kind < len(ERRORS):
        return Strike(target, Action.FAIL, ERRORS[kind])
    if kind < kinds - 1:
        return Strike(target, Action.FAIL, LASTING[kind - len(ERRORS)], stays=True)
    return Strike(target, Action.SHORTEN)


def _spread(count: int, calls: int, draw: random.Random) -> list[int]:
    """`count` targets from 1 to `calls`, one drawn from each of as many equal stretches."""
    return sorted(min(calls, 1 + int((number + draw.random()) * calls / count)) for number in range(count))
