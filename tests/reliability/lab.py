"""The world of an experiment: a source, a sink with two older files, a database."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONG_AGO_NS = 1_600_000_000_123_456_789
BIG = (4 << 20) + 777
"""Nine parts, four checkpoints."""
FROZEN = "T"
ENVIRONMENT = {
    "SYNCF_ENV_FILE": os.devnull,
    "SECRET_KEY": "only-for-experiments-" + "x" * 40,
    "ALLOWED_HOSTS": "localhost",
    "BROKER_URL": "database://",
    "STORAGE_LOCAL": "",
    "LOG_LEVEL": "WARNING",
}
"""For every process that runs the product; nothing of this machine's own settings."""


class World:
    """Below one directory: `source`, `sink`, `outside` (nobody's business) and `database`."""

    def __init__(self, home: Path, template: Path, *, sink: Path | None = None) -> None:
        """`template`: an empty database. `sink`: elsewhere, on a file system of its own, which somebody else resets."""
        self.home = home
        self.source, self.sink, self.outside = home / "source", sink or home / "sink", home / "outside"
        self._has_own_sink = sink is not None
        self.database, self.log = home / "database.sqlite3", home / "log"
        self._template = template
        plant_source(self.source)
        self.outside.mkdir()
        (self.outside / "canary").write_bytes(b"untouched")

    def replant(self) -> None:
        """The source as it was at first."""
        shutil.rmtree(self.source)
        plant_source(self.source)

    def reset(self) -> None:
        """As before the first sync."""
        for path in self.home.glob(f"{self.database.name}*"):
            path.unlink()
        shutil.copyfile(self._template, self.database)
        self.log.unlink(missing_ok=True)
        if self._has_own_sink:
            return
        shutil.rmtree(self.sink, ignore_errors=True)
        plant_sink(self.sink)


def plant_source(source: Path) -> None:
    """Every kind of thing that is copied, under names of every kind: those with accents are published otherwise."""
    draw = random.Random(5)
    (source / "folder" / "deep").mkdir(parents=True)
    (source / "empty folder").mkdir()
    files = {"big": BIG, "smäll": 3000, "folder/again": 70_000, "folder/deep/one": 1, "folder/émpty": 0, "n\nl": 200}
    for name, size in files.items():
        (source / name).write_bytes(draw.randbytes(size))
    (source / "folder" / "again").chmod(0o750)
    (source / "folder" / "link").symlink_to("deep/one")
    for path in [*source.rglob("*"), source]:
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)


def plant_sink(sink: Path) -> None:
    """Older versions of two files, of other sizes than the source's."""
    sink.mkdir(exist_ok=True)
    for name, size in (("big", 3 << 20), ("smäll", 2500)):
        (sink / name).write_bytes(old_bytes(name, size))


@cache
def old_bytes(name: str, size: int) -> bytes:
    """What such a file held before the first sync."""
    return random.Random(name).randbytes(size)


def state_of(pid: int) -> str:
    """R, S, D, T …; empty if it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


@contextmanager
def directory(name: str) -> Iterator[Path]:
    """A new one in memory, where there is one; gone afterwards."""
    where = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))
    made = where / f"syncf-{name}-{os.getpid()}-{random.SystemRandom().randrange(1 << 32):08x}"
    made.mkdir(mode=0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
