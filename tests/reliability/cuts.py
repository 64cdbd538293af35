"""Power cuts: the sink lies on an ext4 image, and what its backing file holds at some call is all that is left.

`kill -9` says nothing about durability: the kernel keeps what was written. The database lies elsewhere, as it would on
another machine. Needs root, for the loop device.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.reliability.experiments import Experiment, Lab, Verdict, recover
from tests.reliability.lab import plant_sink
from tests.reliability.shim import Action, Strike

IMAGE_BYTES = 24 << 20


class Disk:
    """An ext4 image in memory, mounted; every mount is of a fresh copy."""

    def __init__(self, home: Path) -> None:
        """`home`: where the images are kept; the mount point is `home/mount`."""
        self.mount, self._blank, self._image = home / "mount", home / "blank", home / "image"
        self._cut = home / "cut"
        self.mount.mkdir()
        with self._blank.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._blank))
        with self._mounted(self._blank):
            (self.mount / "sink").mkdir()
            plant_sink(self.mount / "sink")

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """As it was planted."""
        shutil.copyfile(self._blank, self._image)
        with self._mounted(self._image):
            yield

    @contextmanager
    def after_the_cut(self) -> Iterator[None]:
        """What had reached the disk when `cut` was called."""
        with self._mounted(self._cut):
            yield

    def cut(self) -> None:
        """The power fails now. Call it before anything is unmounted, which would write."""
        shutil.copyfile(self._image, self._cut)

    @contextmanager
    def _mounted(self, image: Path) -> Iterator[None]:
        _run("mount", "-o", "loop", str(image), str(self.mount))
        try:
            yield
        finally:
            _run("umount", str(self.mount))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def cut(target: int, disk: Disk) -> Experiment:
    """A sync, a power cut at its `target`-th call at the sink, then syncs over what the disk still has."""
    strike = Strike(target, Action.KILL)

    def experiment(lab: Lab) -> Verdict:
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


def plan(count: int, calls: int, disk: Disk) -> Iterator[Experiment]:
    """`count` cuts, evenly over the calls of a sync at its sink and a little beyond its end."""
    for number in range(count):
        yield cut(1 + number * (calls + 2) // count, disk)
