"""A process that has loaded the engine and forks a worker whenever one is asked for.

A worker that is executed loads the engine for a twentieth of a second, each anew and while work waits for it. The
mother is forked by whoever will need workers while it is still small: one thread, no Django, no database. The chain of
deaths holds: the kernel kills the mother with the process that made her, and a worker with its mother.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from transfers.engine.pool import Process, execute
from transfers.engine.prefetch import Prefetched

MESSAGE_BYTES = 64


class Mother:
    """The handle on her: of the process that forked her. `start` may be called from one thread."""

    def __init__(self, pid: int, orders: socket.socket) -> None:
        """`orders`: a socket of packets, whose other end she serves."""
        self._pid, self._orders = pid, orders

    def start(self, socket_fd: int, control_fd: int) -> Process:
        """A worker at the other ends of these. If she is gone, it is executed as if there had been none."""
        pid = self._ask_for_one(socket_fd, control_fd)
        return execute(socket_fd, control_fd) if pid is None else _Child(pid, self._wait)

    def dismiss(self) -> None:
        """Nobody will order anything any more: she ends, with whatever of hers still runs. Idempotent."""
        self._orders.close()

    def close(self) -> None:
        """End her and wait. Idempotent."""
        self.dismiss()
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _ask_for_one(self, socket_fd: int, control_fd: int) -> int | None:
        level = logging.getLogger().getEffectiveLevel()
        try:
            os.close(os.pidfd_open(self._pid))  # not before Linux 5.3: then no child of hers could be waited for either
            socket.send_fds(self._orders, [str(level).encode()], [socket_fd, control_fd])
            return int(self._orders.recv(MESSAGE_BYTES))
        except (OSError, ValueError):
            return None

    def _wait(self, pid: int) -> int:
        try:
            self._orders.send(str(pid).encode())
            return int(self._orders.recv(MESSAGE_BYTES))
        except (OSError, ValueError):
            return -signal.SIGKILL  # with her


class _Child:
    """What the pool asks of a `subprocess.Popen`."""

    def __init__(self, pid: int, wait: Callable[[int], int]) -> None:
        self.pid, self._wait = pid, wait
        self._fd = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._code if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """End it, if it has not."""
        if not self._has_ended(0):
            signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def _has_ended(self, seconds: float | None) -> bool:
        if self._code is None and select.select([self._fd], [], [], seconds)[0]:
            self._code = self._wait(self.pid)
            os.close(self._fd)
        return self._code is not None


def serve(orders: socket.socket, urls: Sequence[str] = (), prefetched: Prefetched | None = None) -> None:
    """Be the mother of workers for these storages, until nobody gives orders any more."""
    while True:
        message, fds, _, _ = socket.recv_fds(orders, MESSAGE_BYTES, 2)
        if fds:
            load(urls)
            answer = _bear(orders, fds, int(message), prefetched)
        elif message:
            answer = os.waitstatus_to_exitcode(os.waitpid(int(message), 0)[1])
        else:
            return
        orders.send(str(answer).encode())


def load(urls: Sequence[str] = ()) -> None:
    """Import what workers need for these storages."""
    from storage_backends import registry
    from transfers.engine import worker  # noqa: F401

    for url in urls:
        registry.load(url)


def _bear(orders: socket.socket, fds: list[int], log_level: int, prefetched: Prefetched | None) -> int:
    mother = os.getpid()
    pid = os.fork()
    if pid == 0:
        orders.close()
        _work([*fds, mother, log_level], prefetched)
    for fd in fds:
        os.close(fd)
    return pid


def _work(numbers: list[int], prefetched: Prefetched | None) -> NoReturn:
    code = 1
    try:
        from transfers.engine import worker

        os.setpgid(0, 0)  # a Ctrl-C at the terminal is for the parent; it decides
        worker.main([str(number) for number in numbers], prefetched)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
