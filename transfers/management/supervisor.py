"""A few processes that start and end together: web, scheduler, slave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from transfers.engine.lifeline import die_with_parent

#: A process that ends by itself is started again after this, and after twice as long each time it ends soon again.
RESTART_SECONDS, MOST_RESTART_SECONDS = 2.0, 60.0
SOON_SECONDS = 30.0
POLL_SECONDS = 0.2
#: A slave releases its work within 30 s.
STOP_SECONDS = 40.0


class Child:
    """One command that should be running."""

    def __init__(self, name: str, command: Sequence[str], *, may_finish: bool = False) -> None:
        """`may_finish`: it may end of its own will (exit code 0), as a slave does that was drained."""
        self.name = name
        self._may_finish = may_finish
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._restart_at = 0.0
        self._pause = RESTART_SECONDS
        self._has_finished = False

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C is for the supervisor, which ends the others in order."""
        parent = os.getpid()
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent),
        )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    def restart_if_ended(self, complain: Callable[[str], None]) -> None:
        """Start it again, a little later."""
        now = time.monotonic()
        if self._has_finished:
            return
        code = self.exit_code()
        if code == 0 and self._may_finish:
            complain(f"{self.name} ended as it was asked to; it is not started again")
            self._has_finished = True
        elif code is not None:
            was_short = now - self._started_at < SOON_SECONDS
            self._pause = min(MOST_RESTART_SECONDS, self._pause * 2) if was_short else RESTART_SECONDS
            complain(f"{self.name} ended with exit code {code}; it is started again in {self._pause:.0f} s")
            self._process, self._restart_at = None, now + self._pause
        elif self._process is None and now >= self._restart_at:
            self.start()

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end; kill it at `deadline` (monotonic)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Supervisor:
    """Keeps its children running until it is asked to stop."""

    def __init__(self, children: Sequence[Child], complain: Callable[[str], None]) -> None:
        self._children = children
        self._complain = complain

    def start(self) -> None:
        """Start all."""
        for child in self._children:
            child.start()

    def run(self, wait: Callable[[float], bool]) -> None:
        """Until `wait(seconds)` returns true; then all are ended, the last one first."""
        try:
            while not wait(POLL_SECONDS):
                for child in self._children:
                    child.restart_if_ended(self._complain)
        finally:
            self.stop()

    def stop(self) -> None:
        """End all, in reverse order of their start."""
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            child.terminate()
        for child in reversed(self._children):
            child.wait(deadline)


def manage(*arguments: str) -> list[str]:
    """The command line of a management command, with this Python."""
    return [sys.executable, "manage.py", *arguments]
