"""A file system for the sinks that nothing was ever deleted from.

ext4 makes creating a file ten times as dear in places where many were deleted a moment ago; a benchmark that removes
its sinks measures that and nothing else. As root each round gets a file system of its own, on a loop device. The loop
device writes around the page cache of the file behind it, as a disk would: with a cache below the cache everything is
copied twice and the same command takes anything between one and ten seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def can_mount() -> bool:
    """Whether this process may make file systems."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("mkfs.ext4", "losetup", "mount", "umount"))


@contextmanager
def fresh(where: Path, gibibytes: int, *, inodes: int | None = None) -> Iterator[Path]:
    """An empty directory on a new ext4, gone afterwards; without root a new directory below `where`."""
    where.mkdir(parents=True, exist_ok=True)
    if not can_mount():
        yield _new_directory(where)
        return
    image, point = where / "sinks.img", where / "sinks"
    point.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(gibibytes << 30)
    try:
        options = ["-N", str(inodes)] if inodes else []
        subprocess.run(["mkfs.ext4", "-q", "-F", *options, str(image)], check=True)
        with _loop_device(image) as device, _mounted(device, point):
            yield point
    finally:
        image.unlink(missing_ok=True)


@contextmanager
def _loop_device(image: Path) -> Iterator[str]:
    made = subprocess.run(
        ["losetup", "--find", "--show", "--direct-io=on", str(image)], check=True, capture_output=True, text=True
    )
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


@contextmanager
def _mounted(device: str, point: Path) -> Iterator[None]:
    subprocess.run(["mount", device, str(point)], check=True)
    try:
        yield
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(point)], check=True, stderr=subprocess.DEVNULL)


def _new_directory(where: Path) -> Path:
    number = 0
    while (path := where / f"sinks-{number}").exists():
        number += 1
    path.mkdir()
    return path


def describe(where: Path) -> str:
    """For the report."""
    if can_mount():
        return "a new ext4 on a loop device (direct I/O) for every round"
    return f"new directories below {where.name}, nothing deleted before the end (no root: no file systems of its own)"
