"""Hints for what waits: batches of task ids, as many as the live workers will soon want, never more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, islice, zip_longest

from django.db.models.functions import Now

from jobs import selectors
from jobs.batches import BATCH_FILES, Waiting, cut
from jobs.models import Job, Task
from jobs.states import WAITING
from transfers.broker.base import Broker, Hint
from transfers.broker.errors import BrokerError

log = logging.getLogger(__name__)

HINTS_PER_WORKER = 3
#: A published task that still waits after this, while the queue is empty, is published again.
STALE_SECONDS = 30.0


class Publisher:
    """Keeps the queue filled; an unreachable broker only makes slaves slower (they ask the database)."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._is_down = False

    def publish(self) -> int:
        """Publish what is missing; returns how many hints were confirmed."""
        waiting = self._broker.pending()
        if waiting is None:
            return 0
        workers = sum(slave.concurrency for slave in selectors.live_slaves())
        room = max(1, workers) * HINTS_PER_WORKER - waiting
        if room <= 0:
            return 0
        hints = list(islice(_hints(room, STALE_SECONDS if waiting == 0 else 10 * STALE_SECONDS), room))
        return self._send(hints) if hints else 0

    def _send(self, hints: list[Hint]) -> int:
        try:
            confirmed = self._broker.publish(hints)
        except BrokerError as error:
            if not self._is_down:
                log.warning("hints can't be published, slaves ask the database meanwhile: %s", error)
            self._is_down = True
            return 0
        self._is_down = False
        ids = [task_id for hint in hints[:confirmed] for task_id in hint.task_ids]
        for start in range(0, len(ids), BATCH_FILES):
            batch = ids[start : start + BATCH_FILES]
            Task.objects.filter(id__in=batch, status__in=WAITING).update(published_at=Now())
        return confirmed


def _hints(room: int, stale_seconds: float) -> Iterator[Hint]:
    """Batches of all jobs in turn, so that a large job does not keep a small one waiting."""
    jobs = selectors.jobs_to_publish(stale_seconds)
    per_job = [_batches(job, room, stale_seconds) for job in jobs]
    for ids in chain.from_iterable(zip_longest(*per_job)):
        if ids:
            yield Hint(tuple(ids))


def _batches(job: Job, room: int, stale_seconds: float) -> Iterator[list[int]]:
    rows = selectors.waiting_tasks_to_publish(stale_seconds).filter(job=job).order_by("id")
    waiting = rows.values_list("id", "size", "attempts")[: room * BATCH_FILES]
    return cut(map(Waiting._make, waiting))
