"""The trees that are synced: made once, kept in the cache, the same on every machine (but for the mixed one)."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

MIXED_FROM = ("/usr/share", "/usr/lib/python3", "/usr/include", "/usr/lib")
MIXED_BYTES = 1 << 30
BIG_BLOCK = 1 << 20
OLD = 1_600_000_000


class Sizes(NamedTuple):
    """How large each workload is: files, but for `c`, which is bytes, as is `s_big`."""

    a: int
    b: int
    c: int
    d: int
    h: int
    h_small: int
    s: int
    s_big: int


FULL = Sizes(a=10_000, b=100_000, c=2 << 30, d=50_000, h=1_000_000, h_small=10_000, s=2_000, s_big=512 << 20)
QUICK = Sizes(a=2_000, b=5_000, c=256 << 20, d=3_000, h=20_000, h_small=2_000, s=200, s_big=64 << 20)


def many(root: Path, files: int, size: int, directories: int) -> None:
    """`files` of `size` random bytes each, spread over `directories`."""
    generator = random.Random(1)
    for number in range(directories):
        (root / f"d{number:04d}").mkdir(parents=True)
    for number in range(files):
        file = root / f"d{number % directories:04d}" / f"f{number:06d}.dat"
        file.write_bytes(generator.randbytes(size))
        os.utime(file, (OLD, OLD))  # a file of the last seconds is compared once more, by those who think of that


def big(root: Path, size: int) -> None:
    """One file of random bytes."""
    root.mkdir(parents=True)
    with (root / "big.bin").open("wb") as file:
        for number in range(size // BIG_BLOCK):
            file.write(random.Random(number).randbytes(BIG_BLOCK))


def empty(root: Path, files: int) -> None:
    """Empty files, 1,000 to a directory."""
    for start in range(0, files, 1000):
        directory = root / f"d{start // 1000:05d}"
        directory.mkdir(parents=True)
        for number in range(start, min(files, start + 1000)):
            (directory / f"f{number:07d}").touch()


def mixed(root: Path, files: int) -> None:
    """Regular files of this machine, links and special files left out; raises RuntimeError if there are too few."""
    copied = size = 0
    for source in _regular_files():
        if copied >= files or size >= MIXED_BYTES:
            break
        target = root / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        copied, size = copied + 1, size + target.stat().st_size
    if copied < files:
        raise RuntimeError(f"the mixed tree needs {files:,} files, and {', '.join(MIXED_FROM)} have {copied:,}")


def read_once(root: Path) -> None:
    """Bring all files of a tree into memory."""
    for folder, _, names in os.walk(root):
        for name in names:
            with Path(folder, name).open("rb", buffering=0) as file:
                while file.read(BIG_BLOCK):
                    pass


def _regular_files() -> Iterator[Path]:
    for top in MIXED_FROM:
        for folder, folders, names in os.walk(top):
            folders.sort()
            paths = (Path(folder, name) for name in sorted(names))
            yield from (path for path in paths if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK))


class Trees:
    """The trees of one run."""

    def __init__(self, cache: Path, sizes: Sizes, say: Callable[[str], None]) -> None:
        self._cache, self._sizes, self._say = cache, sizes, say

    def get(self, name: str) -> Path:
        """The tree of a workload, by its name in `Sizes`, made if it is not there, and read once: where it was made by
        an earlier run, the first to copy it would be the only one to wait for the disk."""
        size: int = getattr(self._sizes, name)
        root = self._cache / f"{name}-{size}"
        if not root.exists():
            self._say(f"making the tree {name} ({size:,})")
            unfinished = root.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            self._make(name, size, unfinished)
            unfinished.rename(root)
            os.sync()  # else it is written while the first one copies it
        read_once(root)
        return root

    def _make(self, name: str, size: int, root: Path) -> None:
        match name:
            case "a":
                many(root, size, 4096, 100)
            case "b":
                many(root, size, 1024, 100)
            case "s":
                many(root, size, 4096, 20)
            case "c" | "s_big":
                big(root, size)
            case "d":
                mixed(root, size)
            case _:
                empty(root, size)


def change_one_percent(root: Path, seed: int) -> int:
    """Give every hundredth file (another hundredth for each seed) new bytes of the same number; returns how many."""
    files = sorted(path for path in root.rglob("*") if path.is_file())[seed % 100 :: 100]
    for path in files:
        path.write_bytes(random.Random(f"{seed} {path.name}").randbytes(path.stat().st_size))
    old = (OLD + seed) * 1_000_000_000
    for path in files:
        os.utime(path, ns=(old, old))
    return len(files)
