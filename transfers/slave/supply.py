"""Where batches come from: the reserve, a hint, a look in the database; in this order.

::

    hint or look ─▶ claim (committed) ─▶ ack ─▶ reserve ─▶ worker
"""

from __future__ import annotations

import time
from collections import deque

from jobs.models import Slave
from transfers.broker.base import Broker, Delivery, LookInDatabase
from transfers.slave.claims import Batch, Claims
from transfers.slave.crew import Crew
from transfers.slave.patience import Patience


class Supply:
    """Claimed batches of one incarnation that no worker has yet."""

    def __init__(self, slave: Slave, broker: Broker, patience: Patience, *, crew: Crew, look_seconds: float) -> None:
        """`look_seconds`: how often an idle slave asks the database."""
        self.reserve: deque[Batch] = deque()
        self._broker, self._patience, self._claims = broker, patience, Claims(slave)
        self._crew, self._look_seconds = crew, look_seconds
        self.next_look = 0.0
        """`time.monotonic()` of the next look in the database."""
        self._is_consuming = False
        self._expects_hints = False

    def room(self) -> int:
        """Batches that are wanted beyond those in reserve."""
        return max(0, self._crew.wanted() - len(self.reserve))

    def take(self) -> Batch | None:
        """A batch for a worker; None if there is nothing now."""
        return self.reserve.popleft() if self.reserve else self._next()

    def restock(self) -> None:
        """Once the workers have what they can use: one batch in reserve, and hints only while there is room."""
        if self.room() and (batch := self._next()):
            self.reserve.append(batch)
        self._consume(self.room() > 0)

    def worked(self, *, is_idle: bool) -> None:
        """Tasks were answered. Where hints come, the database is asked only after a while without one; else, or where
        no worker has anything left (it may have been a job's last files, and its directories wait), at once."""
        waits = self._expects_hints and not is_idle
        self.next_look = time.monotonic() + self._look_seconds if waits else 0.0

    def close(self) -> list[Batch]:
        """Take no more hints; returns the reserve, to be given back."""
        self._broker.pause_consuming()
        left = list(self.reserve)
        self.reserve.clear()
        return left

    def _next(self) -> Batch | None:
        delivery = self._broker.receive()
        self._expects_hints = not isinstance(delivery, LookInDatabase)
        if isinstance(delivery, Delivery):
            self._take_hint(delivery)
            if self.reserve:
                return self.reserve.popleft()
        if time.monotonic() < self.next_look:
            return None
        lead = self._crew.lead(len(batch.tasks) for batch in self.reserve)
        batch = self._patience.persist(lambda: self._claims.next(lead))
        if batch is None:
            self.next_look = time.monotonic() + self._look_seconds
        return batch

    def _take_hint(self, delivery: Delivery) -> None:
        batches = self._patience.persist(lambda: self._claims.named(delivery.hint.task_ids))
        self.reserve.extend(batches)
        if not batches:
            self.next_look = 0.0  # it was about directories, or it is old; the database knows
        elif not self.room():
            self._consume(False)
        self._broker.ack(delivery)

    def _consume(self, is_wanted: bool) -> None:
        if is_wanted and not self._is_consuming:
            self._broker.resume_consuming()
        elif not is_wanted and self._is_consuming:
            self._broker.pause_consuming()
        self._is_consuming = is_wanted
