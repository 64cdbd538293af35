"""Full sinks are looked at by a thread of its own: a mount that hangs must not keep the scheduler and its leases."""

from __future__ import annotations

import logging
import threading

from django.db import InterfaceError, OperationalError, connection

from jobs import parking

log = logging.getLogger(__name__)


class RoomWatcher:
    """At most one thread, started when a look is due; while it hangs, the jobs of that machine stay parked."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._thread: threading.Thread | None = None

    def turn(self) -> None:
        """Let somebody look, unless somebody does or nothing is due."""
        if (self._thread is None or not self._thread.is_alive()) and parking.is_room_wanted(self._machine):
            self._thread = threading.Thread(target=self._run, name="full-sinks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            parking.look_for_room(self._machine)
        except (OperationalError, InterfaceError) as error:
            log.warning("full sinks wait, the database does not answer: %s", str(error).strip())
        finally:
            connection.close()

    def close(self, timeout_seconds: float) -> None:
        """Wait for the look under way; one that hangs ends with the process."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
