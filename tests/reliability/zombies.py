"""Zombies: a sync that stands still past its leases wakes up after another one has brought the sink up to date.

Meanwhile the source has changed: a zombie that writes anything writes what is old. It is frozen at a call to the sink,
or right before it tells the database something.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

from tests.reliability.experiments import Experiment, Lab, Verdict, recover
from tests.reliability.lab import FROZEN, LONG_AGO_NS, state_of
from tests.reliability.nursery import SYNC_SECONDS
from tests.reliability.oracle import Oracle
from tests.reliability.shim import Action, Strike
from tests.reliability.subject import LEASE_SECONDS

BOUNDARIES = (
    "jobs.transitions:settle_copied",
    "jobs.transitions:settle",
    "jobs.uploads:owned",
    "jobs.uploads:save_token",
    "jobs.uploads:save_checkpoint",
    "jobs.uploads:save_intent",
)
"""What a slave tells the database."""
SMALL_FILES, BIG_PARTS = 4, 9
"""Writes to the sink in a sync: one for each small file that is not empty, and one for each part of the big one."""
HEAD_START_SECONDS = 4.0
"""For the second sync before the first one wakes up; it waits for a file that the first one still holds."""


def zombie(strike: Strike | None, freeze_before: str = "", *, changes_source: bool = True) -> Experiment:
    """Frozen, overtaken, woken. Where the source stays as it is, the second one goes on with the first one's partial,
    and what the zombie still writes shows in the times of what was published."""

    def experiment(lab: Lab) -> Verdict:
        name = f"frozen before {freeze_before}" if freeze_before else str(strike)
        name += "" if changes_source else ", same source"
        lab.world.reset()
        was_struck, wrong = False, list[str]()
        try:
            first = _start(lab, strike, freeze_before)
            was_struck = _is_frozen(lab, first)
            if was_struck:
                wrong = _overtake(lab, first, changes_source)
        finally:
            lab.nursery.clear()
            _restore(lab)
        return Verdict(name, tuple(dict.fromkeys(wrong)), was_struck)

    return experiment


def _start(lab: Lab, strike: Strike | None, freeze_before: str) -> int:
    lab.nursery.page.arm(lab.world.sink, strike)
    return lab.nursery.start(lab.world, mutant=lab.mutant, freeze_before=freeze_before)


def _is_frozen(lab: Lab, first: int) -> bool:
    end = time.monotonic() + SYNC_SECONDS
    while time.monotonic() < end:
        state = state_of(first)
        if state == FROZEN:
            return True
        if state in ("", "Z"):
            return False
        time.sleep(0.005)
    return False


def _overtake(lab: Lab, first: int, changes_source: bool) -> list[str]:
    if changes_source:
        _change_source(lab)
    # A zombie that removes its partial gives the folder another time, which no scan takes for a difference.
    oracle = Oracle(lab.world, minds_folder_times=False)
    oracle.begin()
    time.sleep(LEASE_SECONDS + 0.1)
    second_page = lab.nursery.page.enrolled
    second = lab.nursery.start(lab.world, mutant=lab.mutant)
    code = lab.nursery.wait(second, HEAD_START_SECONDS)
    before = oracle.state() if code == 0 else None  # without partials: one that a zombie makes late is nobody's
    lab.nursery.page.signal(signal.SIGCONT, only=second_page)
    if code is None:
        code = lab.nursery.wait(second)
    first_code = lab.nursery.wait(first)
    wrong = oracle.after_fault()
    if before is not None and (after := oracle.state()) != before:
        odd = sorted(str(item)[:200] for item in set(before) ^ set(after))
        wrong.append(f"the zombie changed what the second sync had left: {odd}")
    if code is None or first_code is None:
        wrong.append(f"a sync did not end: {code}, {first_code}")
    lab.nursery.clear()
    return wrong + recover(lab._replace(oracle=oracle))


def _change_source(lab: Lab) -> None:
    """Other bytes of the same number, other times: as an editor leaves a file."""
    for name in ("big", "smäll", "folder/again", "folder/deep/one"):
        path = lab.world.source / name
        path.write_bytes(random.Random(f"{name} again").randbytes(path.stat().st_size))
        os.utime(path, ns=(LONG_AGO_NS + 10**9, LONG_AGO_NS + 10**9))


def _restore(lab: Lab) -> None:
    """The source as it was planted, for whoever comes next."""
    lab.world.replant()
    lab.oracle.learn_source()


def at_parts(count: int) -> Iterator[Experiment]:
    """Frozen right before a write to the big file, of which nothing changes."""
    for number in range(count):
        part = SMALL_FILES + 1 + number % BIG_PARTS
        yield zombie(Strike(part, Action.FREEZE, only="pwrite64"), changes_source=False)


def plan(count: int, calls: int) -> Iterator[Experiment]:
    """`count` zombies: one before each thing that a slave tells, the others at calls to the sink."""
    for freeze_before in BOUNDARIES[:count]:
        yield zombie(None, freeze_before)
    rest = max(0, count - len(BOUNDARIES))
    yield from at_parts(rest // 3)
    for number in range(rest - rest // 3):
        yield zombie(Strike(1 + number * calls // (rest - rest // 3), Action.FREEZE))
