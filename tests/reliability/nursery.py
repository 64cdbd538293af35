"""Who syncs a world: a process that has loaded everything once forks a child for every sync, under the shim."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.reliability.lab import ROOT, World
from tests.reliability.shim import VARIABLE, Page, Strike

SYNC_SECONDS = 60.0
DID_NOT_END = -1000
OPTIONS = ("--json", "--concurrency", "1", "--max-attempts", "5")


class Nursery:
    """One at a time may be struck; any number may run. A context manager."""

    def __init__(self, directory: Path, library: Path, user: str | None = None) -> None:
        self._directory = directory
        self.page = Page(directory / "page")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(self.page.file), "PYTHONPATH": path}
        env |= {"DATABASE_URL": f"sqlite:///{directory / 'none.sqlite3'}", "BASE_PATH": "/"}
        env |= {"ALLOW_WHOLE_MACHINE": "true"}  # as `make sync` has it
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

    def prepare(self, database: Path) -> None:
        """An empty database. Raises RuntimeError."""
        log = self._directory / "log"
        if self.wait(self._ask({"do": "prepare", "database": str(database), "log": str(log)})) != 0:
            raise RuntimeError(log.read_text())

    def start(self, world: World, *, mutant: str = "", freeze_before: str = "") -> int:
        """A sync of the world; returns its pid."""
        arguments = [*OPTIONS, "--", str(world.source), str(world.sink)]
        places = {"database": str(world.database), "log": str(world.log)}
        order = {"do": "sync", "arguments": arguments, "mutant": mutant, "freeze_before": freeze_before, **places}
        return int(self._ask(order))

    def wait(self, pid: int, seconds: float = SYNC_SECONDS) -> int | None:
        """The exit code, negative for a signal; None if it has not ended."""
        code: int | None = self._ask({"do": "wait", "pid": pid, "seconds": seconds})
        return code

    def run(self, world: World, strike: Strike | None = None, *, prefix: Path | None = None, mutant: str = "") -> int:
        """A sync to its end, or to the strike. One that does not end in time is killed: DID_NOT_END."""
        self.page.arm(prefix or world.home, strike)
        code = self.wait(self.start(world, mutant=mutant))
        self.clear()
        return DID_NOT_END if code is None else code

    def clear(self) -> None:
        """Whatever still runs of the experiment is killed, and gone afterwards. Raises RuntimeError."""
        self.page.signal(signal.SIGKILL)
        if not self._ask({"do": "clear"}):
            raise RuntimeError("processes of an experiment that were killed are still there")
        self.page.disarm()

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
