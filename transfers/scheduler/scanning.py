"""Scans in threads of their own, beside the scheduler's turns, which keep their leases."""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from jobs import scans
from jobs.damage import is_final
from jobs.hanging_up import hang_up
from jobs.models import Scan
from transfers.scan.listing import Ahead
from transfers.scan.perform import perform

log = logging.getLogger(__name__)


class ScanThread(threading.Thread):
    """One scan. Ends by itself; `stop` makes it give the scan back at the next batch."""

    def __init__(self, scan: Scan, machine: str, ahead: Ahead | None = None) -> None:
        super().__init__(name=f"scan-{scan.pk}", daemon=True)
        self.scan = scan
        self._machine, self._ahead = machine, ahead
        self._stop_asked = threading.Event()
        self.was_interrupted = False
        """The database went away; the scan is still this scheduler's, and unfinished."""
        self.damage: Exception | None = None
        """What the scan met of a database that is damaged, or full for good."""

    def stop(self) -> None:
        """Give the scan back soon."""
        self._stop_asked.set()

    def run(self) -> None:
        """Perform the scan; one whose database goes away is to be repeated."""
        try:
            perform(self.scan, self._machine, should_stop=self._stop_asked.is_set, ahead=self._ahead)
        except (OperationalError, InterfaceError) as error:
            self.was_interrupted = True
            log.warning("scan %s was interrupted and will be repeated: %s", self.scan.pk, str(error).strip())
        except Exception as error:
            if is_final(error):
                self.damage = error
            else:
                log.exception("scan %s of job %s failed", self.scan.pk, self.scan.job_id)
                self._fail()
        finally:
            connection.close()
        if self.was_interrupted:
            hang_up()

    def _fail(self) -> None:
        text = "SyncF made a mistake during the scan; the scheduler's log has the details."
        try:
            scans.finish(self.scan, error_code="INTERNAL_ERROR", error_text=text)
        except (DatabaseError, InterfaceError):
            connection.close()


class ScanPool:
    """At most `limit` scans at a time."""

    def __init__(self, owner: str, machine: str, *, limit: int, ahead: Ahead | None = None) -> None:
        self._owner, self._machine, self._limit, self._ahead = owner, machine, limit, ahead
        self._threads: list[ScanThread] = []

    def turn(self) -> None:
        """Renew the leases of what runs and start what may run. Raises what a scan met of a damaged database: whoever
        schedules can't go on either."""
        self._bury()
        if self._threads:
            scans.renew(self._owner, [thread.scan.pk for thread in self._threads])
        while len(self._threads) < self._limit and (scan := scans.claim(self._owner, self._machine)):
            thread = ScanThread(scan, self._machine, self._ahead)
            self._threads.append(thread)
            thread.start()

    def has_room(self) -> bool:
        """Whether another scan could begin now."""
        return sum(thread.is_alive() for thread in self._threads) < self._limit

    def _bury(self) -> None:
        for thread in [thread for thread in self._threads if not thread.is_alive()]:
            if thread.damage:
                raise thread.damage
            if thread.was_interrupted:
                scans.give_back(thread.scan)  # raises while the database is away: then the next turn does it
            self._threads.remove(thread)

    @property
    def is_idle(self) -> bool:
        """Whether no scan runs."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self, timeout_seconds: float) -> None:
        """Ask all to stop and wait for them."""
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.join(timeout_seconds)
