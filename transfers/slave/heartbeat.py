"""The lease's own thread: renews it every 10 s in database time and tells how long this process may go on writing.

The deadline is counted on CLOCK_BOOTTIME from *before* the renewal was sent, and ends 10 s before the lease: a
process that was frozen, or whose machine slept, finds the deadline passed before it writes another byte.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from jobs import slaves
from jobs.hanging_up import hang_up
from jobs.models import Slave
from transfers.engine.control import boottime

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Heartbeat:
    """Runs from `start` to `stop`; `deadline` and `is_lost` may be read from any thread."""

    def __init__(self, slave: Slave, *, signed_on_at: float, throughput: Callable[[], int]) -> None:
        """`signed_on_at`: boottime from before the incarnation was signed on."""
        self._slave, self._throughput = slave, throughput
        self.deadline = self._from(signed_on_at)
        self.is_lost = False
        self._on_renewed: Callable[[float], None] = lambda deadline: None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @staticmethod
    def _from(sent_at: float) -> float:
        return sent_at + slaves.LEASE_SECONDS - slaves.FENCE_SECONDS

    def start(self, on_renewed: Callable[[float], None]) -> None:
        """Begin; `on_renewed` is called with every new deadline, from the heartbeat's thread."""
        self._on_renewed = on_renewed
        self._thread.start()

    def stop(self) -> None:
        """End and wait."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(slaves.HEARTBEAT_SECONDS)

    def _run(self) -> None:
        pause: float = slaves.HEARTBEAT_SECONDS
        try:
            while not self._stop.wait(pause) and not self.is_lost:
                pause = self._beat()
        finally:
            connection.close()

    def _beat(self) -> float:
        close_old_connections()
        sent_at = boottime()
        if not self._renew():
            hang_up()
            return RETRY_SECONDS
        if not self.is_lost:
            self.deadline = self._from(sent_at)
            self._on_renewed(self.deadline)
        return slaves.HEARTBEAT_SECONDS

    def _renew(self) -> bool:
        """Whether the database answered; `is_lost` says what."""
        try:
            self.is_lost = not slaves.heartbeat(self._slave, bytes_per_second=self._throughput())
        except (DatabaseError, InterfaceError) as error:
            log.warning("the lease could not be renewed: %s", error)
            return False
        return True
