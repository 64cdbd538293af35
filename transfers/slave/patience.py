"""How long a slave waits for a database that does not answer: as long as its lease allows, and no longer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from jobs.hanging_up import hang_up
from transfers.engine.control import boottime
from transfers.slave.heartbeat import Heartbeat

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.1, 2.0


class IncarnationOver(Exception):
    """The lease is lost: nothing may be written in this incarnation's name any more."""


class Patience:
    """One incarnation's."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat

    def check(self) -> None:
        """Raises IncarnationOver once the lease may belong to the past."""
        if self._heartbeat.is_lost or boottime() > self._heartbeat.deadline:
            raise IncarnationOver("the lease could not be renewed in time")

    def persist(self, action: Callable[[], T]) -> T:
        """Run a database action until it succeeds. Every action is a compare-and-set, so one that was committed without
        our hearing of it does nothing the second time. Raises IncarnationOver."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return action()
            except (OperationalError, InterfaceError) as error:
                if boottime() + pause > self._heartbeat.deadline:
                    connection.close()
                    raise IncarnationOver(f"the database is gone: {error}") from error
                log.warning("the database does not answer, trying again: %s", str(error).strip())
            hang_up()
            time.sleep(pause)
            pause = min(MOST_PAUSE_SECONDS, pause * 2)
