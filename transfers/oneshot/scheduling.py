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

from django.conf import settings
from django.db import connections

from jobs import upkeep
from jobs.damage import sqlite_code
from transfers.oneshot.catalogue import TROUBLES
from transfers.oneshot.headstart import HeadStart
from transfers.queue import open_queue
from transfers.scan.listing import Ahead
from transfers.scheduler.scheduler import TURN_SECONDS, Scheduler
from transfers.signals import StopFlag

log = logging.getLogger(__name__)


_ALONE, _WITH_AHEAD = b"!", b"+"


class SchedulerProcess:
    """Lives from its making until `stop`, and no longer than its parent; works from `begin`."""

    def __init__(self, head_start: HeadStart | None = None) -> None:
        """`head_start`: whose listings it may take over; afterwards they are its own."""
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError("a process with threads can't be forked")
        connections.close_all()
        parent = os.getpid()
        theirs, self._go = os.pipe()
        self._pid = os.fork()
        self.met = 0
        """Which of the catalogue's troubles ended it."""
        if self._pid == 0:
            os.close(self._go)
            if head_start:
                head_start.drop_mother()
            _run(parent, theirs, head_start.ahead if head_start else {})
        os.close(theirs)
        if head_start:
            head_start.drop()

    def begin(self, *, takes_over: bool = False) -> None:
        """Let it work: there is a job. `takes_over`: nothing that a listing tells can be older than what the
        catalogue says of it."""
        with suppress(BrokenPipeError):  # it died; `is_alive` tells
            os.write(self._go, _WITH_AHEAD if takes_over else _ALONE)

    def is_alive(self) -> bool:
        """Whether it runs. Once it does not, it has been waited for."""
        if self._pid:
            self._wait(os.WNOHANG)
        return bool(self._pid)

    def _wait(self, options: int) -> None:
        ended, status = os.waitpid(self._pid, options)
        if ended:
            self._pid = 0
            code = os.waitstatus_to_exitcode(status)
            self.met = code if code in TROUBLES else 0

    def ask_to_stop(self) -> None:
        """Ask it to end. Idempotent: a second signal would end it at once."""
        if self._go < 0:
            return
        os.close(self._go)
        self._go = -1
        if self.is_alive():
            os.kill(self._pid, signal.SIGTERM)

    def stop(self) -> None:
        """Ask it to end and wait. Idempotent."""
        self.ask_to_stop()
        if self.is_alive():
            self._wait(0)


def _is_anybody_told() -> bool:
    return bool(settings.WEBHOOKS or settings.WEBHOOK_ORIGINS or settings.SENDS_EMAIL)


def _run(parent: int, go: int, begun: Ahead) -> NoReturn:
    code = 1
    try:
        from transfers.engine.lifeline import die_with_parent  # ctypes, which the parent need not wait for

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent, which decides
        die_with_parent(parent)
        _schedule(go, begun, StopFlag([signal.SIGTERM]))
        connections.close_all()
        code = 0
    except BaseException as error:
        code = sqlite_code(error)
        if code not in TROUBLES:
            code = 1
            log.exception("the scheduler ended")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _schedule(go: int, begun: Ahead, stop: StopFlag) -> None:
    """Once `go` says so; nothing but its end for who closes it without a word."""
    with open_queue() as broker:
        # Its first look finds the scan; nobody waits for the others, and they take time from the scan.
        scheduler = Scheduler(broker, ahead=begun, tells=_is_anybody_told(), look_seconds=TURN_SECONDS)
        scheduler.prepare()
        word = os.read(go, 1)
        if word != _WITH_AHEAD:
            begun.clear()  # who did it ends
        scheduler.run(stop.wait if word else lambda seconds: True)
    if word:
        upkeep.complete_finished()  # its last turn may have come before the last task ended
