"""The slave's main loop: one thread that owns the database, with select() over the broker and the workers.

::

    supply: claimed batches ─▶ assign to an idle worker
            (one batch ahead, while some worker will soon be free)
    worker asks (token, checkpoint, intent, fence) ─▶ fenced write ─▶ answer
    worker answers (outcomes) ─▶ it gets its next batch ─▶ settle in one transaction
    once a second: what do the jobs in hand want (pause, kill, rate)?

The database going away is waited out as long as the lease allows; past that the incarnation is over, its workers
are ended, and the caller signs on a new one.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.db import close_old_connections

from jobs import bell, services, slaves
from jobs.models import Slave
from transfers.broker.base import Broker
from transfers.engine.contracts import Outcome, Stop
from transfers.engine.messages import (
    CheckpointMade,
    FenceAsked,
    Finished,
    IntentAsked,
    Outcomes,
    ProgressMade,
    SaveToken,
)
from transfers.engine.pool import Start, WorkerDied, execute
from transfers.slave import answers, claims, questions, settling
from transfers.slave.claims import Batch
from transfers.slave.control import Control
from transfers.slave.crew import Crew
from transfers.slave.heartbeat import Heartbeat
from transfers.slave.housekeeping import UPLOADS_AT_ONCE, let_go_of_strays, remove_abandoned
from transfers.slave.ledger import Ledger
from transfers.slave.patience import IncarnationOver, Patience
from transfers.slave.supply import Supply
from transfers.slave.throughput import Throughput
from transfers.slave.worker import Worker

log = logging.getLogger(__name__)

CONTROL_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 10.0
#: How often what was copied is added to the history that people look at.
SAMPLE_SECONDS = 2.0
#: How long running copies may take to reach a checkpoint at shutdown.
GRACE_SECONDS = 30.0


class Manner(NamedTuple):
    """How a slave works."""

    look_seconds: float = 1.0
    """So often it asks the database while it has nothing to do."""
    start_worker: Start = execute
    expects_work: bool = False
    """Workers start before there is any."""


USUAL = Manner()


class SlaveLoop:
    """One incarnation at work."""

    def __init__(
        self,
        slave: Slave,
        broker: Broker,
        heartbeat: Heartbeat,
        *,
        throughput: Throughput,
        manner: Manner,
    ) -> None:
        self._slave, self._broker, self._heartbeat, self._manner = slave, broker, heartbeat, manner
        self._patience = Patience(heartbeat)
        self._persist = self._patience.persist
        self._ledger = Ledger(slave, self._patience, throughput)
        self._crew = Crew(slave.concurrency, deadline=lambda: heartbeat.deadline, start=manner.start_worker)
        self._supply = Supply(slave, broker, self._patience, crew=self._crew, look_seconds=manner.look_seconds)
        self._control = Control(self._crew, self._supply, self._ledger)
        self._installation = services.installation().identifier
        self._numbers = 0
        self._next_control = self._next_housekeeping = self._next_sample = 0.0
        self._is_feeding = True
        """False while it drains."""
        self.is_retired = False
        """Somebody asked it to drain: it ends when what it has is done."""

    # ── life ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until `should_stop`, then release what is under way. Raises IncarnationOver."""
        self._heartbeat.start(self._crew.set_lease_deadline)
        try:
            if self._manner.expects_work:
                self._crew.start()
            while not should_stop() and not (self.is_retired and self._crew.is_idle):
                self._turn()
            self._drain()
        except IncarnationOver:
            self._crew.let_go()
            raise
        finally:
            self._heartbeat.stop()
            self._crew.kill()

    def _take_no_more(self) -> None:
        self._is_feeding = False
        self._persist(lambda: slaves.set_draining(self._slave))
        for batch in self._supply.close():
            self._ledger.give_back(batch)

    def _drain(self) -> None:
        self._take_no_more()
        self._crew.ask_to_stop(Stop.RELEASE)
        self._persist(lambda: remove_abandoned(self._slave))
        end = time.monotonic() + GRACE_SECONDS
        while not self._crew.is_idle and time.monotonic() < end:
            self._turn()
        self._persist(self._ledger.sample)

    # ── one turn ──────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        self._patience.check()
        close_old_connections()
        if self._is_feeding:
            self._feed()
        for ready in self._wait():
            if isinstance(ready, Worker):
                self._listen(ready)
        self._do_what_is_due(time.monotonic())

    def _do_what_is_due(self, now: float) -> None:
        if now >= self._next_control:
            self._next_control = now + CONTROL_SECONDS
            self._persist(self._control.look)
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_SECONDS
            self._persist(self._ledger.sample)
        if self._is_feeding and now >= self._next_housekeeping:
            self._next_housekeeping = now + HOUSEKEEPING_SECONDS
            self._persist(self._keep_house)

    def _wait(self) -> Sequence[Worker | Broker]:
        sources: list[Worker | Broker] = [worker for worker in self._crew if worker.is_started]
        now = time.monotonic()
        wake = self._next_control
        if self._is_feeding and self._supply.room():
            sources.append(self._broker)
            wake = min(wake, self._supply.next_look)
        return select.select(sources, [], [], max(0.0, wake - now))[0]

    # ── feeding ───────────────────────────────────────────────────────────────────────────────────────────────

    def _feed(self) -> None:
        for worker in self._crew.idle():
            if not self._feed_one(worker):
                break
        self._supply.restock()

    def _feed_one(self, worker: Worker) -> bool:
        batch = self._supply.take()
        if batch is not None:
            self._assign(worker, batch)
        return batch is not None

    def _assign(self, worker: Worker, batch: Batch) -> None:
        self._numbers += 1
        number = self._numbers
        work = self._persist(lambda: claims.assignment(batch, number=number, installation=self._installation))
        worker.process.set_rate(batch.job.bytes_per_second or 0)
        try:
            worker.assign(batch, work)
        except WorkerDied as death:
            self._bury(worker, death)
        self._next_control = 0.0 if batch.job.bytes_per_second else self._next_control

    # ── listening ─────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, worker: Worker) -> None:
        try:
            match worker.process.receive():
                case Outcomes() as outcomes:
                    self._take_outcomes(worker, outcomes)
                case ProgressMade(key, done, sent):
                    if worker.batch is not None:
                        self._ledger.progressed(worker.batch.job.pk, questions.pair(key), done, sent)
                case Finished(number):
                    self._finish(worker, number)
                case FenceAsked() | CheckpointMade() as question:
                    worker.process.reply(self._persist(lambda: questions.answer(self._slave, question)))
                case SaveToken(key) | IntentAsked(key) as question:
                    worker.uploads.add(key.task_id)
                    worker.process.reply(self._persist(lambda: questions.answer(self._slave, question)))
        except WorkerDied as death:
            self._bury(worker, death)

    def _take_outcomes(self, worker: Worker, outcomes: Outcomes) -> None:
        if worker.batch is None:
            return
        answer = answers.sort(worker.batch.job, worker.open, worker.uploads, worker.begun_at, outcomes)
        if not worker.open:
            worker.finished()
            if self._supply.reserve and self._is_feeding and worker.is_alive:  # it works on while we write
                self._feed_one(worker)
        self._ledger.settle(answer)
        is_idle = self._crew.is_idle
        self._supply.worked(is_idle=is_idle)
        if is_idle:  # too few hints come, or it was the last of a job
            self._persist(bell.ring)

    def _finish(self, worker: Worker, number: int) -> None:
        if worker.number == number and worker.open:
            log.error("a worker finished without an answer for %d tasks", len(worker.open))
            self._give_up(worker, settling.died(worker.open.values(), None))

    def _give_up(self, worker: Worker, outcomes: Sequence[Outcome]) -> None:
        self._take_outcomes(worker, Outcomes(tuple(outcomes), []))

    def _bury(self, worker: Worker, death: WorkerDied) -> None:
        log.error("%s; what it had in hand is tried again", death)
        self._give_up(worker, settling.died(worker.open.values(), death.exit_code))
        self._crew.bury(worker)

    # ── once in a while ───────────────────────────────────────────────────────────────────────────────────────

    def _keep_house(self) -> None:
        if slaves.is_asked_to_drain(self._slave):
            log.info("%s was asked to drain; it ends when what it has in hand is done", self._slave.name)
            self.is_retired = True
            self._take_no_more()
            return
        let_go_of_strays(self._slave, self._control.ids_in_hand())
        if remove_abandoned(self._slave) == UPLOADS_AT_ONCE:
            self._next_housekeeping = 0.0  # there is more; a turn comes in between
