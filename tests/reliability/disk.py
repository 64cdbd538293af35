"""A disk whose power can be cut: an ext4 image in memory, of which a copy is what had reached it. Needs root, for the
loop device."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.reliability.lab import World, plant_sink

IMAGE_BYTES = 24 << 20
SHUT_DOWN, WITHOUT_ITS_LOG = 0x8004587D, 2
"""EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH of Linux."""


class Disk:
    """With a world whose sink lies on it; every mount is of a fresh copy."""

    def __init__(self, home: Path, template: Path) -> None:
        """`home`: where the images are kept; the mount point is `home/mount`. `template`: see `World`."""
        self.mount, self._blank, self._image = home / "mount", home / "blank", home / "image"
        self._cut = home / "cut"
        self.mount.mkdir()
        with self._blank.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._blank))
        with self._mounted(self._blank):
            (self.mount / "sink").mkdir()
            plant_sink(self.mount / "sink")
        self.world = World(home / "world", template, sink=self.mount / "sink")

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
        """The power fails now: the file system writes nothing more, else the copy would be of more than one moment."""
        root = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(root, SHUT_DOWN, struct.pack("I", WITHOUT_ITS_LOG))
        finally:
            os.close(root)
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
