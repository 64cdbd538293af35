"""A large tree that nobody here wrote: whatever this machine has of Python, documentation and libraries."""

from __future__ import annotations

import os
import stat
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from tests.support import stack

FILES = 20_000
#: To the second database as many rows are new as to the first, but the bytes are the same.
BYTES = 50_000_000 if stack.is_postgres() else 500_000_000
MANY_SMALL = ("/usr/lib/python3/dist-packages", "/usr/share", sysconfig.get_path("stdlib"), "/usr/include")
LARGE = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/bin")


def build_corpus(root: Path) -> Path:
    """Copy (`cp -a`) small files until there are FILES, then large ones until there are BYTES; the same on every run
    on one machine, and more than once where it has less. Returns `root`."""
    files = size = 0

    def add(places: tuple[str, ...], is_enough: Callable[[], bool]) -> None:
        nonlocal files, size
        for target, unit in _units(root, places):
            if is_enough():
                return
            more_files, more_bytes = _copy(unit, target)
            files, size = files + more_files, size + more_bytes

    add(MANY_SMALL, lambda: files >= FILES)
    add(LARGE, lambda: size >= BYTES)
    return root


def _units(root: Path, places: tuple[str, ...]) -> Iterator[tuple[Path, Path]]:
    for number in count(1):
        assert number < 100, f"This machine has next to nothing in {places}."
        for place in places:
            for unit in sorted(Path("/").glob(f"{place}/*".lstrip("/"))):
                if unit.name != "site-packages" and (places is not LARGE or unit.is_file()):
                    yield root / str(number) / unit.parent.relative_to("/"), unit


def _copy(unit: Path, target: Path) -> tuple[int, int]:
    target.mkdir(parents=True, exist_ok=True)
    # An ordinary user can't read everything: what cp leaves out is no part of the corpus.
    subprocess.run(["cp", "-a", "--reflink=auto", str(unit), str(target)], stderr=subprocess.DEVNULL)
    copy = target / unit.name
    found = [os.path.join(where, name) for where, _, names in os.walk(copy) for name in names] or [copy]
    infos = [os.lstat(path) for path in found if os.path.lexists(path)]
    sizes = [info.st_size for info in infos if stat.S_ISREG(info.st_mode)]
    return len(sizes), sum(sizes)
