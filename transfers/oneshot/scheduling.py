"""The scheduler of a one-shot sync, in a process of its own: a scan and a slave in one would wait for each other.

It is forked, not executed: loading Django once more would take longer than many a scan. That is safe at one moment
only, which is where `Session` does it: while this process has one thread and no connection to the database.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from django.db import connections

from transfers.engine.worker import die_with_parent
from transfers.queue import open_queue
from transfers.scheduler.scheduler import Scheduler

log = logging.getLogger(__name__)


class SchedulerProcess:
    """Runs from its making until `stop`, and no longer than its parent."""

    def __init__(self) -> None:
        if threading.active_count() > 1:
            raise RuntimeError("a process with threads can't be forked")
        connections.close_all()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _run(parent)

    def is_alive(self) -> bool:
        """Whether it runs. Once it does not, it has been waited for."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return bool(self._pid)

    def stop(self) -> None:
        """Ask it to end and wait. Idempotent."""
        if self.is_alive():
            os.kill(self._pid, signal.SIGTERM)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _run(parent: int) -> NoReturn:
    code = 1
    try:
        die_with_parent(parent)
        stop = threading.Event()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent, which decides
        signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
        with open_queue() as broker:
            Scheduler(broker).run(stop.wait)
        connections.close_all()
        code = 0
    except BaseException:
        log.exception("the scheduler ended")
    finally:
        sys.stderr.flush()
        os._exit(code)
