"""The parent's handle on one worker process.

The parent selects on `fileno()` of many workers and reads one message of whichever is ready. It never waits for one
that died (the socket closes: WorkerDied) nor for one that froze in the middle of a message (time limit: WorkerDied).
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

from transfers.engine.contracts import Assignment, Stop
from transfers.engine.control import ControlPage
from transfers.engine.messages import Reply, WorkerMessage, pack_assignment

WORKER_MODULE = "transfers.engine.worker"
"""What a worker process runs."""
IO_TIMEOUT_SECONDS = 10
"""For one message that is under way. A living worker takes milliseconds."""


class WorkerDied(Exception):
    """The worker process is gone (or frozen, and was killed). What it worked on is as after a crash."""

    def __init__(self, pid: int, exit_code: int | None) -> None:
        super().__init__(f"worker {pid} died with exit code {exit_code}")
        self.exit_code = exit_code


class Process(Protocol):
    """As much of a `subprocess.Popen` as is needed here."""

    pid: int

    def poll(self) -> int | None:
        """The exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """End it, if it has not."""


Start = Callable[[int, int], Process]
"""Starts a worker at the other ends of a socket and a control page."""


def execute(socket_fd: int, control_fd: int) -> Process:
    """In an interpreter of its own."""
    numbers = (socket_fd, control_fd, os.getpid(), logging.getLogger().getEffectiveLevel())
    command = [sys.executable, "-m", WORKER_MODULE, *map(str, numbers)]
    paths = os.pathsep.join(path or os.curdir for path in sys.path)  # it imports from where we do
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
        pass_fds=(socket_fd, control_fd),
        process_group=0,  # a Ctrl-C at the terminal is for the parent; it decides
    )


class WorkerProcess:
    """One worker. Start, assign, and close it from the same thread: the kernel kills the worker when the thread that
    started it ends. A context manager."""

    def __init__(self, start: Start = execute) -> None:
        ours, theirs = socket.socketpair()
        self._page = ControlPage()
        self._number = 0
        with theirs:
            self._process = start(theirs.fileno(), self._page.fd)
        timeout = struct.pack("ll", IO_TIMEOUT_SECONDS, 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._connection: Connection[Any, Any] = Connection(ours.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when `receive` will not wait."""
        return self._connection.fileno()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def assign(self, assignment: Assignment) -> None:
        """Give an idle worker its next work. Set the lease deadline first. Raises WorkerDied."""
        if assignment.number <= self._number:
            raise ValueError(f"assignment {assignment.number} does not come after {self._number}")
        self._number = assignment.number
        self._send(pack_assignment(assignment))

    def receive(self) -> WorkerMessage:
        """The next message; call it when `fileno()` is readable. Raises WorkerDied."""
        try:
            message: WorkerMessage = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        return message

    def reply(self, owned: Collection[int]) -> None:
        """Answer the question just received: the task ids that are still ours. Raises WorkerDied."""
        self._send(Reply(frozenset(owned)))

    def set_lease_deadline(self, boottime_seconds: float) -> None:
        """Past that moment (CLOCK_BOOTTIME) the worker writes nothing more. From any thread."""
        with suppress(ValueError):  # another thread has ended it
            self._page.lease_deadline = boottime_seconds

    def stop(self, kind: Stop) -> None:
        """Ask the present assignment to end early; it still answers for every work."""
        self._page.set_stop(self._number, kind)

    def set_rate(self, bytes_per_second: int) -> None:
        """Limit what the worker sends, 0 for unlimited. Takes effect within a fraction of a second."""
        self._page.bytes_per_second = bytes_per_second

    def close(self) -> None:
        """End an idle worker and wait for it; one that does not end by itself is killed. Idempotent."""
        self._connection.close()
        try:
            self._process.wait(IO_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._page.close()

    def kill(self) -> None:
        """End it now, whatever it does; the next attempt resumes."""
        self._process.kill()
        self.close()

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise self._died() from error

    def _died(self) -> WorkerDied:
        self._process.kill()
        return WorkerDied(self._process.pid, self._process.wait())
