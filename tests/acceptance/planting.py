"""Growing trees by hand: names are bytes, of any length; whoever is to own them gets them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.people import Person

#: 2020-01-02 03:04:05.123456789 UTC: long ago, and exact to the nanosecond.
LONG_AGO_NS = 1_577_934_245_123_456_789


def plant(root: Path, path: bytes, content: bytes = b"content", *, mtime_ns: int = LONG_AGO_NS) -> None:
    """Write a file below `root` and the directories on its way, even where the whole path is longer than the kernel
    takes at once."""
    with directory_of(root, path) as (fd, name):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=fd)
        os.write(file, content)
        os.utime(file, ns=(mtime_ns, mtime_ns))
        os.close(file)


def read(root: Path, path: bytes) -> bytes:
    """The content of a file below `root`."""
    with directory_of(root, path) as (fd, name), open(os.open(name, os.O_RDONLY, dir_fd=fd), "rb") as file:
        return file.read()


@contextmanager
def directory_of(root: Path, path: bytes) -> Iterator[tuple[int, bytes]]:
    """(descriptor of the directory that holds `path`, the last name); makes what is missing on the way."""
    *parents, name = path.split(b"/")
    root.mkdir(exist_ok=True)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            if not _exists(parent, fd):
                os.mkdir(parent, dir_fd=fd)
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd, name
    finally:
        os.close(fd)


def _exists(name: bytes, fd: int) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def hand_over(root: Path, person: Person) -> None:
    """Everything below `root` belongs to `person` from now on. Do it before chmod: the kernel drops setuid bits."""
    if person.uid == os.geteuid():
        return
    for where, directories, files in os.walk(root):
        for name in (".", *directories, *files):
            os.chown(os.path.join(where, name), person.uid, person.uid, follow_symlinks=False)


def mode(path: Path) -> int:
    """The permission bits, links not followed."""
    return stat.S_IMODE(path.lstat().st_mode)


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below `root` by name, with all that any write would change (times of reading aside)."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        info = path.lstat()
        found[str(path.relative_to(root))] = (
            info.st_ino,
            info.st_mode,
            info.st_nlink,
            info.st_size,
            info.st_mtime_ns,
            info.st_ctime_ns,
        )
    return found
