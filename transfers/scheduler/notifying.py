"""Notifications are sent by a thread of their own: an address that does not answer must not keep the scheduler."""

from __future__ import annotations

import logging
import threading

from django.db import InterfaceError, OperationalError, connection

from jobs.notifications import delivery, outbox

log = logging.getLogger(__name__)


class Notifier:
    """At most one sending thread, started when something is due."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop_asked = threading.Event()

    def turn(self) -> None:
        """Address what happened, and start sending if there is something to send and nobody does."""
        outbox.address_all()
        if (self._thread is None or not self._thread.is_alive()) and delivery.is_due():
            self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            delivery.deliver_due(self._stop_asked.is_set)
        except (OperationalError, InterfaceError) as error:
            log.warning("notifications wait, the database does not answer: %s", str(error).strip())
        finally:
            connection.close()

    def close(self, timeout_seconds: float) -> None:
        """Begin no other delivery, and wait for the one under way."""
        self._stop_asked.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
