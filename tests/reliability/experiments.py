"""What is done to a sync, and what came of it: one function per kind of experiment, each on a laboratory of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.reliability.disk import Disk
from tests.reliability.lab import World
from tests.reliability.nursery import DID_NOT_END, Nursery
from tests.reliability.oracle import PARTIAL, Oracle
from tests.reliability.shim import Action, Strike

TRIES = 4
"""Syncs until everything has arrived."""


class Lab(NamedTuple):
    """Everything that an experiment needs; used by one thread."""

    nursery: Nursery
    world: World
    oracle: Oracle
    mutant: str = ""
    disk: Disk | None = None
    """With a world of its own."""


class Verdict(NamedTuple):
    """The outcome of one experiment."""

    name: str
    violations: tuple[str, ...]
    was_struck: bool
    was_resumed: bool = False
    count: int = 1
    """Of how many faults it is the outcome."""


Experiment = Callable[[Lab], Verdict]


def measure(lab: Lab, prefix: Path) -> int:
    """The calls of a sync that nothing happens to. Raises RuntimeError if even that one goes wrong."""
    lab.world.reset()
    lab.oracle.begin()
    code = lab.nursery.run(lab.world, prefix=prefix, mutant=lab.mutant)
    calls = lab.nursery.page.counter
    if wrong := lab.oracle.after_recovery(code):
        raise RuntimeError(f"an undisturbed sync went wrong: {wrong}; {lab.world.log.read_text()[-2000:]}")
    return calls


def struck(strike: Strike, *, only_sink: bool, tamper: int = 0) -> Experiment:
    """A sync that is struck, then syncs that are not. `tamper`: a seed; what a kill left of the big file is altered."""

    def experiment(lab: Lab) -> Verdict:
        lab.world.reset()
        lab.oracle.begin()
        code = lab.nursery.run(lab.world, strike, prefix=lab.world.sink if only_sink else None, mutant=lab.mutant)
        name = f"{strike} ({lab.nursery.page.call or 'not reached'}{', partial altered' if tamper else ''})"
        was_struck = lab.nursery.page.has_struck
        wrong = lab.oracle.after_fault(is_kill=strike.action is Action.KILL)
        if code == DID_NOT_END:
            wrong.append("the sync that was struck did not end")
        if tamper:
            was_struck = alter_partial(lab.world.sink, tamper)
        wrong += recover(lab)
        return Verdict(name, tuple(dict.fromkeys(wrong)), was_struck)

    return experiment


def recover(lab: Lab) -> list[str]:
    """Undisturbed syncs until one is clean; what is wrong then."""
    for _ in range(TRIES):
        code = lab.nursery.run(lab.world, mutant=lab.mutant)
        if code == 0:
            break
    wrong = lab.oracle.after_recovery(code)
    return [*wrong, f"log: {lab.world.log.read_text()[-600:]}"] if wrong else []


def alter_partial(sink: Path, seed: int) -> bool:
    """Turn one bit over in the first MiB of the largest partial; false if there is none to speak of."""
    partials = [path for path in sink.rglob(f"{PARTIAL}*") if path.is_file() and path.stat().st_size >= 1 << 20]
    if not partials:
        return False
    with max(partials, key=lambda path: path.stat().st_size).open("r+b") as file:
        place = random.Random(seed).randrange(1 << 20)
        file.seek(place)
        [byte] = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))
    return True
