"""Power cuts: the sink lies on an ext4 image, and what its backing file holds at some call is all that is left.

`kill -9` says nothing about durability: the kernel keeps what was written. The database lies elsewhere, as it would on
another machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.reliability.disk import Disk
from tests.reliability.experiments import Experiment, Lab, Verdict, measure, recover
from tests.reliability.oracle import Oracle
from tests.reliability.shim import Action, Strike


def cut(target: int) -> Experiment:
    """A sync, a power cut at its `target`-th call at the sink, then syncs over what the disk still has."""
    strike = Strike(target, Action.KILL)

    def experiment(lab: Lab) -> Verdict:
        lab, disk = _at_disk(lab)
        lab.world.reset()
        with disk.fresh():
            lab.oracle.begin()
            lab.nursery.run(lab.world, strike, prefix=lab.world.sink, mutant=lab.mutant)
            call, was_struck = lab.nursery.page.call, lab.nursery.page.has_struck
            disk.cut()
        with disk.after_the_cut():
            wrong = lab.oracle.after_fault(is_kill=True)
            was_resumed = bool(lab.oracle.checkpoints())
            wrong += recover(lab)
        name = f"power cut at call {target} ({call or 'at the end'})"
        return Verdict(name, tuple(dict.fromkeys(wrong)), was_struck, was_resumed)

    return experiment


def calls(lab: Lab) -> int:
    """Of an undisturbed sync at such a sink."""
    lab, disk = _at_disk(lab)
    with disk.fresh():
        return measure(lab, lab.world.sink)


def plan(count: int, calls: int) -> Iterator[Experiment]:
    """`count` cuts, evenly over the calls of a sync at its sink and a little beyond its end."""
    for number in range(count):
        yield cut(1 + number * (calls + 2) // count)


def _at_disk(lab: Lab) -> tuple[Lab, Disk]:
    if lab.disk is None:
        raise RuntimeError("this laboratory has no disk")
    return lab._replace(world=lab.disk.world, oracle=Oracle(lab.disk.world)), lab.disk
