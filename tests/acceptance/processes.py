"""Real processes of the product: started, looked at through /proc, killed by pid, and ended to the last child.

Every process of one `Processes` carries a mark in its environment that its children inherit, so that a worker whose
parent was killed is still found. Leaving the context ends everything, and fails if something had to be killed or was
left behind. `product.py` starts the product's own commands with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.05
#: How long a process may take to end after SIGTERM: a slave brings what it has in hand to a checkpoint.
STOP_SECONDS = 20.0
#: How long workers may outlive a parent that was killed.
ORPHAN_SECONDS = 5.0
_MARK = "SYNCF_TEST_PROCESSES"

T = TypeVar("T")


def eventually(probe: Callable[[], T], seconds: float, what: str, *, every: float = POLL_SECONDS) -> T:
    """The first true value of `probe`; fails naming `what` (and the last value) when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}; the last look gave {value!r}"
        time.sleep(every)
    return value


class Process:
    """One started command. Its output goes to files, so that nobody has to read it for it to go on."""

    def __init__(
        self, command: Sequence[str], *, logs: Path, environment: Mapping[str, str], **options: object
    ) -> None:
        number, word = len(list(logs.glob("*.err"))) + 1, next((w for w in command[1:] if w.isidentifier()), "python")
        self.name = f"{number:02}-{word}"
        self._out, self._err = logs / f"{self.name}.out", logs / f"{self.name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code (negative: the signal), None while it runs."""
        return self._process.poll()

    @property
    def out(self) -> str:
        """What it wrote to stdout until now."""
        return self._out.read_text(errors="backslashreplace")

    @property
    def err(self) -> str:
        """What it wrote to stderr until now."""
        return self._err.read_text(errors="backslashreplace")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to this process alone; nothing if it has ended."""
        self._process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Its exit code; fails if it does not end in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds:.0f} s; it wrote:\n{self.err}") from None

    def stop(self, number: int = signal.SIGTERM, seconds: float = STOP_SECONDS) -> int:
        """Ask it to end and wait for it; its exit code."""
        self.kill(number)
        return self.wait(seconds)

    def tree(self) -> list[int]:
        """The pids of the process and everything below it."""
        return [self.pid, *_descendants(self.pid)]

    def children(self) -> list[int]:
        """The pids below it: the workers, of a slave."""
        return _descendants(self.pid)

    def io(self, counter: str) -> int:
        """The kernel's count of `rchar`, `wchar`, `read_bytes` or `write_bytes` (proc(5)) over the tree, as of now.
        What a process that has ended and was waited for had counted is in its parent's figure."""
        return sum(_io(pid, counter) for pid in self.tree())


def io_of_the_ended(counter: str) -> int:
    """The kernel's count over all processes that were started by us, ended and were waited for, with everything that
    they waited for themselves (and over ourselves, who read and write next to nothing). Take it before and after."""
    return _io(os.getpid(), counter)


class Processes:
    """The processes of one test. A context manager."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._mark = uuid.uuid4().hex
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stubborn = self._end()
        left = self._left_behind()
        self.report()
        if kind is None:
            assert not stubborn, f"had to be killed: {stubborn}"
            assert not left, f"left behind: {left}"

    def start(self, command: Sequence[str], environment: Mapping[str, str], **options: object) -> Process:
        """Start a command in a session of its own; `options` are Popen's (cwd, user, group, extra_groups)."""
        marked = {**environment, _MARK: self._mark}
        process = Process(command, logs=self._logs, environment=marked, **{"cwd": ROOT, **options})
        self._started.append(process)
        return process

    def manage(self, *arguments: str, environment: Mapping[str, str], **options: object) -> Process:
        """Start `manage.py ARGUMENTS`."""
        return self.start([sys.executable, str(ROOT / "manage.py"), *arguments], environment, **options)

    def started(self) -> list[Process]:
        """All that were, in that order."""
        return list(self._started)

    def report(self) -> None:
        """Print what they wrote to stderr: pytest shows it when the test failed."""
        for process in self._started:
            if text := process.err:
                print(f"── {process.name} (pid {process.pid}, exit code {process.code})\n{text[-6000:]}")

    def alive(self) -> dict[int, str]:
        """Everything that carries the mark now: pid → command line."""
        return dict(_marked(f"{_MARK}={self._mark}".encode()))

    def _end(self) -> list[str]:
        running = [process for process in self._started if process.code is None]
        for process in running:
            process.kill(signal.SIGCONT)
            process.kill(signal.SIGTERM)
        stubborn = []
        for process in running:
            try:
                process.wait()
            except AssertionError as error:
                stubborn.append(str(error))
                process.kill()
                process.wait()
        return stubborn

    def _left_behind(self) -> dict[int, str]:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


def _marked(mark: bytes) -> Iterator[tuple[int, str]]:
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                yield int(directory.name), (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def _descendants(pid: int) -> list[int]:
    below: dict[int, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            below.setdefault(parent, []).append(int(directory.name))
    found, todo = [], [pid]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _io(pid: int, counter: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            name, _, value = line.partition(": ")
            if name == counter:
                return int(value)
    return 0
