"""The scheduler's loop. Any number may run: one leads (lease row, takeover within 15 s), all perform scans.

Safety never depends on leadership: what two leaders would do twice is a compare-and-set or refused by a constraint.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from jobs import clock, leases, scans, slaves, troubles, upkeep
from jobs.changes import Changes
from jobs.hanging_up import hang_up
from jobs.machine import machine_id, process_identity
from transfers.broker.base import Broker
from transfers.scan.listing import Ahead
from transfers.scheduler.notifying import Notifier
from transfers.scheduler.publisher import Publisher
from transfers.scheduler.rooms import RoomWatcher
from transfers.scheduler.scanning import ScanPool

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
#: Between two turns it looks so often whether there is a scan to begin, a queue to fill or a job to complete.
LOOK_SECONDS = 0.1
#: So often it looks which jobs fail or recovered, to tell of it.
WATCH_SECONDS = 5.0
TIDY_SECONDS = 60.0
SCANS_AT_ONCE = 2
STOP_SECONDS = 10.0
LEADERSHIP = "scheduler"


class Scheduler:
    """One scheduler process."""

    def __init__(
        self, broker: Broker, *, ahead: Ahead | None = None, tells: bool = True, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """`ahead`: listings that were begun before there was a scan. `tells`: of jobs that fail and recover.
        `look_seconds`: between two looks for new work."""
        self.identity = process_identity()
        self._publisher = Publisher(broker)
        self._machine = machine_id()
        self._scans = ScanPool(self.identity, self._machine, limit=SCANS_AT_ONCE, ahead=ahead)
        self._rooms = RoomWatcher(self._machine)
        self._notifier, self._tells, self._look_seconds = Notifier(), tells, look_seconds
        self._changes = Changes(TURN_SECONDS)
        self._next_watch = 0.0
        self._next_tidy = time.monotonic() + TURN_SECONDS  # what waits to be begun comes first
        self._is_leader = False
        self._next_turn = 0.0

    def run(self, should_stop: Callable[[float], bool]) -> None:
        """Turn until `should_stop(seconds)`, which waits up to that long, says so."""
        pause = 0.0
        try:
            while not should_stop(pause):
                pause = self._guarded(self._look, pause)
        finally:
            self._close()

    def run_once(self) -> None:
        """One complete round: due scans are performed to their end, then everything else is done once."""
        try:
            self.turn()
            while not self._scans.is_idle:
                time.sleep(0.05)
                if time.monotonic() >= self._next_turn:
                    self.turn()
            self.turn()
        finally:
            self._close()

    def _guarded(self, action: Callable[[], None], pause: float) -> float:
        """Do it and return the pause until the next; a database that is away is waited for, longer each time."""
        try:
            action()
            return self._look_seconds
        except (OperationalError, InterfaceError) as error:
            log.warning("the database does not answer, trying again: %s", str(error).strip())
        hang_up()
        return min(5.0, max(TURN_SECONDS, pause * 2))

    def prepare(self) -> None:
        """See to it that the first scan begins at once when somebody asks for it. Changes no task: a one-shot sync
        compares meanwhile."""
        self._next_turn = time.monotonic() + TURN_SECONDS
        self._guarded(self._prepare, 0.0)

    def _prepare(self) -> None:
        scans.free_those_of_the_dead(self._machine)
        if self._lead():
            upkeep.complete_finished()
        upkeep.chores(self._machine)

    def _look(self) -> None:
        """A turn when it is time; else only what somebody waits for, if anything was written since."""
        is_time = time.monotonic() >= self._next_turn
        if not (self._changes.are_possible() or is_time):
            return
        if is_time:
            self.turn()
            return
        chores = upkeep.chores(self._machine)
        if chores.scan and self._scans.has_room():
            self._begin_scans()
        if self._is_leader:
            if chores.hint:
                self._publisher.publish()
            else:
                self._publisher.forget()
            if chores.completion:
                upkeep.complete_finished()

    def turn(self) -> None:
        """What is to be done every second."""
        close_old_connections()
        self._next_turn = time.monotonic() + TURN_SECONDS
        if self._lead():
            scans.close_scans_of_killed_jobs()
        self._begin_scans()
        self._rooms.turn()
        if self._is_leader:
            slaves.reap_dead()
            upkeep.cancel_killed()
            self._publisher.publish()
            upkeep.complete_finished()
            if self._tells:
                self._watch()
                self._notifier.turn()
            self._tidy()

    def _begin_scans(self) -> None:
        if self._is_leader:
            scans.request_due()
        self._scans.turn()

    def _lead(self) -> bool:
        leads = leases.acquire(LEADERSHIP, self.identity)
        if leads != self._is_leader:
            log.info("this scheduler %s", "leads" if leads else "no longer leads")
        self._is_leader = leads
        return leads

    def _watch(self) -> None:
        if time.monotonic() >= self._next_watch:
            self._next_watch = time.monotonic() + WATCH_SECONDS
            troubles.watch()

    def _tidy(self) -> None:
        if time.monotonic() >= self._next_tidy:
            self._next_tidy = time.monotonic() + TIDY_SECONDS
            upkeep.tidy()
            if moved := clock.bring_back():
                log.warning("the clock was set back: %d moments that lay too far ahead are not waited for", moved)

    def _close(self) -> None:
        self._scans.close(STOP_SECONDS)
        self._rooms.close(STOP_SECONDS)
        self._notifier.close(STOP_SECONDS)
        try:
            leases.release(LEADERSHIP, self.identity)
        except (OperationalError, InterfaceError):
            connection.close()
