"""The world of an experiment: a source, a sink with two older files, a database; and who syncs it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.reliability.shim import VARIABLE, Page, Strike
from tests.support.databases import migrate

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
SYNC_SECONDS = 60.0
LONG_AGO_NS = 1_600_000_000_123_456_789
BIG = (4 << 20) + 777
"""Nine parts, four checkpoints."""
DID_NOT_END = -1000
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

    def __init__(self, home: Path, *, sink: Path | None = None) -> None:
        """`sink`: elsewhere, on a file system of its own, which somebody else resets."""
        self.home = home
        self.source, self.sink, self.outside = home / "source", sink or home / "sink", home / "outside"
        self._has_own_sink = sink is not None
        self.database, self.log = home / "database.sqlite3", home / "log"
        self._template = home / "template.sqlite3"
        plant_source(self.source)
        self.outside.mkdir()
        (self.outside / "canary").write_bytes(b"untouched")
        migrate(f"sqlite:///{self._template}")

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
        self.reset_sink()

    def reset_sink(self) -> None:
        """Only what was there before: older versions of a small and of a big file."""
        if self._has_own_sink:
            return
        shutil.rmtree(self.sink, ignore_errors=True)
        plant_sink(self.sink)


def plant_source(source: Path) -> None:
    """Every kind of thing that is copied."""
    draw = random.Random(5)
    (source / "folder" / "deep").mkdir(parents=True)
    (source / "empty folder").mkdir()
    files = {"big": BIG, "small": 3000, "folder/again": 70_000, "folder/deep/one": 1, "folder/empty": 0, "n\nl": 200}
    for name, size in files.items():
        (source / name).write_bytes(draw.randbytes(size))
    (source / "folder" / "again").chmod(0o750)
    (source / "folder" / "link").symlink_to("deep/one")
    for path in [*source.rglob("*"), source]:
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)


def plant_sink(sink: Path) -> None:
    """Older versions of two files, of other sizes than the source's."""
    sink.mkdir(exist_ok=True)
    for name, size in (("big", 3 << 20), ("small", 2500)):
        (sink / name).write_bytes(random.Random(name).randbytes(size))


class Nursery:
    """Forks a child with Django loaded for every experiment, under the shim. A context manager."""

    def __init__(self, directory: Path, library: Path, user: str | None = None) -> None:
        self.page = Page(directory / "page")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(self.page.file), "PYTHONPATH": path}
        env |= {"DATABASE_URL": f"sqlite:///{directory / 'none.sqlite3'}", "BASE_PATH": str(directory)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.subject"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=user,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the experiments' process did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def start(self, world: World, *, mutant: str = "", freeze_before: str = "") -> int:
        """A sync of the world; returns its pid."""
        options = ["--json", "--concurrency", "1", "--max-attempts", "5"]
        argv = ["sync", *options, "--", str(world.source), str(world.sink)]
        return self._start(world, argv, mutant, freeze_before)

    def _start(self, world: World, argv: list[str], mutant: str, freeze_before: str) -> int:
        names = {"mutant": mutant, "freeze_before": freeze_before, "log": str(world.log)}
        return int(self._ask({"do": "start", "argv": argv, "database": str(world.database), **names}))

    def wait(self, pid: int, seconds: float = SYNC_SECONDS) -> int | None:
        """The exit code, negative for a signal; None if it has not ended."""
        code: int | None = self._ask({"do": "wait", "pid": pid, "seconds": seconds})
        return code

    def run(self, world: World, strike: Strike | None = None, *, prefix: Path | None = None, mutant: str = "") -> int:
        """A sync to its end, or to the strike. One that does not end in time is killed: DID_NOT_END."""
        self.page.arm(prefix or world.home, strike)
        code = self.wait(self.start(world, mutant=mutant))
        if code is None:
            self.kill()
            code = DID_NOT_END
        self.page.disarm()
        return code

    def kill(self) -> None:
        """Whatever runs of the experiment."""
        self.page.signal(signal.SIGKILL)

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


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
