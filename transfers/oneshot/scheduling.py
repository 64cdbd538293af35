"""The scheduler of a one-shot sync, in a process of its own: a scan and a slave in one would wait for each other.

It is forked, not executed: loading Django once more would take longer than many a scan. That is safe at one moment
only, which is where `Session` does it: before anything else, while this process has one thread and no connection. A
client of an object store has threads of its own, which a fork would leave behind, and whoever waits for them with them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from django.db import connections

from transfers.engine.worker import die_with_parent
from transfers.queue import open_queue
from transfers.scheduler.scheduler import Scheduler
from transfers.signals import StopFlag

log = logging.getLogger(__name__)


class SchedulerProcess:
    """Lives from its making until `stop`, and no longer than its parent; works from `begin`."""

    def __init__(self) -> None:
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError("a process with threads can't be forked")
        connections.close_all()
        parent = os.getpid()
        theirs, self._go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._go)
            _run(parent, theirs)
        os.close(theirs)

    def begin(self) -> None:
        """Let it work: there is a job."""
        with suppress(BrokenPipeError):  # it died; `is_alive` tells
            os.write(self._go, b"!")

    def is_alive(self) -> bool:
        """Whether it runs. Once it does not, it has been waited for."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return bool(self._pid)

    def stop(self) -> None:
        """Ask it to end and wait. Idempotent."""
        if self._go >= 0:
            os.close(self._go)
            self._go = -1
        if self.is_alive():
            os.kill(self._pid, signal.SIGTERM)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _run(parent: int, go: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent, which decides
        die_with_parent(parent)
        stop = StopFlag([signal.SIGTERM])
        if os.read(go, 1):
            with open_queue() as broker:
                Scheduler(broker).run(stop.wait)
        connections.close_all()
        code = 0
    except BaseException:
        log.exception("the scheduler ended")
    finally:
        sys.stderr.flush()
        os._exit(code)
