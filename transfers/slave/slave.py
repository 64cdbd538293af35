"""The slave's main loop: one thread that owns the database, with select() over the broker and the workers.

::

    hint or look in the database ─▶ claim (committed) ─▶ ack ─▶ assign to an idle worker
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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from jobs import parking, samples, selectors, services, slaves, transitions, uploads
from jobs.models import Job, Slave
from jobs.states import JobStatus
from jobs.transitions import Claimed
from transfers.broker.base import Broker, Delivery, LookInDatabase
from transfers.engine.contracts import Outcome, Result, Stop
from transfers.engine.control import boottime
from transfers.engine.messages import (
    CheckpointMade,
    FenceAsked,
    Finished,
    IntentAsked,
    Outcomes,
    ProgressMade,
    Question,
    SaveToken,
    TaskKey,
)
from transfers.engine.pool import WorkerDied
from transfers.slave import answers, claims, settling
from transfers.slave.answers import Answer
from transfers.slave.claims import Batch
from transfers.slave.heartbeat import Heartbeat
from transfers.slave.housekeeping import UPLOADS_AT_ONCE, remove_abandoned
from transfers.slave.throughput import Throughput
from transfers.slave.worker import Worker

log = logging.getLogger(__name__)
T = TypeVar("T")

CONTROL_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 10.0
#: How often what was copied is added to the history that people look at.
SAMPLE_SECONDS = 2.0
#: How long running copies may take to reach a checkpoint at shutdown.
GRACE_SECONDS = 30.0


class IncarnationOver(Exception):
    """The lease is lost: nothing may be written in this incarnation's name any more."""


class SlaveLoop:
    """One incarnation at work."""

    def __init__(
        self, slave: Slave, broker: Broker, heartbeat: Heartbeat, *, throughput: Throughput, look_seconds: float
    ) -> None:
        """`look_seconds`: how often an idle slave asks the database."""
        self._slave, self._broker, self._heartbeat, self._throughput = slave, broker, heartbeat, throughput
        self._claims = claims.Claims(slave)
        self._installation = services.installation().identifier
        self._workers = [Worker(heartbeat.deadline) for _ in range(slave.concurrency)]
        self._backlog: deque[Batch] = deque()
        self._numbers = 0
        self._progress: dict[uploads.Key, int] = {}
        self._look_seconds = look_seconds
        self._next_look = self._next_control = self._next_housekeeping = self._next_sample = 0.0
        self._is_feeding = True
        """False while it drains."""
        self.is_retired = False
        """Somebody asked it to drain: it ends when what it has is done."""
        self._is_consuming = False
        self._expects_hints = False

    # ── life ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until `should_stop`, then release what is under way. Raises IncarnationOver."""
        self._heartbeat.start(self._renewed)
        try:
            while not should_stop() and not (self.is_retired and self._is_idle()):
                self._turn()
            self._drain()
        finally:
            self._heartbeat.stop()
            for worker in self._workers:
                worker.kill()

    def _renewed(self, deadline: float) -> None:
        for worker in tuple(self._workers):
            worker.set_lease_deadline(deadline)

    def _is_idle(self) -> bool:
        return not any(worker.is_busy for worker in self._workers)

    def _take_no_more(self) -> None:
        self._is_feeding = False
        self._persist(lambda: slaves.set_draining(self._slave))
        self._broker.pause_consuming()
        self._release_backlog(list(self._backlog))

    def _drain(self) -> None:
        self._take_no_more()
        for worker in self._workers:
            worker.ask_to_stop(Stop.RELEASE)
        self._persist(lambda: remove_abandoned(self._slave))
        end = time.monotonic() + GRACE_SECONDS
        while not self._is_idle() and time.monotonic() < end:
            self._turn()
        self._persist(self._sample)

    def _release_backlog(self, batches: Sequence[Batch]) -> None:
        """Give back what nobody has begun; of a killed job the scheduler cancels it then."""
        for batch in batches:
            pairs = list(zip(batch.tasks, settling.released(batch.tasks), strict=True))
            self._settle(Answer(batch.job, time.time(), set(), pairs, []))
            self._backlog.remove(batch)

    # ── one turn ──────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        if self._heartbeat.is_lost or boottime() > self._heartbeat.deadline:
            raise IncarnationOver("the lease could not be renewed in time")
        close_old_connections()
        if self._is_feeding:
            self._feed()
        for ready in self._wait():
            if isinstance(ready, Worker):
                self._listen(ready)
        now = time.monotonic()
        if now >= self._next_control:
            self._next_control = now + CONTROL_SECONDS
            self._persist(self._control)
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_SECONDS
            self._persist(self._sample)
        if self._is_feeding and now >= self._next_housekeeping:
            self._next_housekeeping = now + HOUSEKEEPING_SECONDS
            self._persist(self._keep_house)

    def _sample(self) -> None:
        """Counted twice where the database went away at the wrong moment: nothing but a curve depends on it."""
        if moved := self._throughput.moved():
            samples.record(moved)
            self._throughput.forget()

    def _keep_house(self) -> None:
        if slaves.is_asked_to_drain(self._slave):
            log.info("%s was asked to drain; it ends when what it has in hand is done", self._slave.name)
            self.is_retired = True
            self._take_no_more()
            return
        self._let_go_of_strays()
        if remove_abandoned(self._slave) == UPLOADS_AT_ONCE:
            self._next_housekeeping = 0.0  # there is more; a turn comes in between

    def _wait(self) -> Sequence[Worker | Broker]:
        sources: list[Worker | Broker] = [worker for worker in self._workers if worker.is_started]
        now = time.monotonic()
        wake = self._next_control
        if self._is_feeding and self._room():
            sources.append(self._broker)
            wake = min(wake, self._next_look)
        return select.select(sources, [], [], max(0.0, wake - now))[0]

    def _persist(self, action: Callable[[], T]) -> T:
        """Run a database action until it succeeds, as long as the lease allows. Every action is a compare-and-set,
        so one that was committed without our hearing of it does nothing the second time."""
        pause = 0.1
        while True:
            try:
                return action()
            except (OperationalError, InterfaceError) as error:
                connection.close()
                if boottime() + pause > self._heartbeat.deadline:
                    raise IncarnationOver(f"the database is gone: {error}") from error
                log.warning("the database does not answer, trying again: %s", str(error).strip())
                time.sleep(pause)
                pause = min(2.0, pause * 2)

    # ── feeding ───────────────────────────────────────────────────────────────────────────────────────────────

    def _idle(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.is_busy]

    def _room(self) -> int:
        """Batches that are wanted now: one for each idle worker, and one in reserve."""
        idle = len(self._idle())
        return max(0, idle + self._may_work_ahead() - len(self._backlog))

    def _may_work_ahead(self) -> bool:
        """Whether a worker will be free before another slave could take what we hold in reserve."""
        return any(worker.batch is not None and worker.batch.is_brief for worker in self._workers)

    def _feed(self) -> None:
        for worker in self._idle():
            if not self._feed_one(worker):
                break
        if self._room() and (batch := self._next_batch()):
            self._backlog.append(batch)
        self._consume(self._room() > 0)

    def _feed_one(self, worker: Worker) -> bool:
        batch = self._backlog.popleft() if self._backlog else self._next_batch()
        if batch is not None:
            self._assign(worker, batch)
        return batch is not None

    def _consume(self, is_wanted: bool) -> None:
        if is_wanted and not self._is_consuming:
            self._broker.resume_consuming()
        elif not is_wanted and self._is_consuming:
            self._broker.pause_consuming()
        self._is_consuming = is_wanted

    def _next_batch(self) -> Batch | None:
        delivery = self._broker.receive()
        self._expects_hints = not isinstance(delivery, LookInDatabase)
        if isinstance(delivery, Delivery):
            self._take_hint(delivery)
            if self._backlog:
                return self._backlog.popleft()
        if time.monotonic() < self._next_look:
            return None
        batch = self._persist(self._claims.next)
        if batch is None:
            self._next_look = time.monotonic() + self._look_seconds
        return batch

    def _take_hint(self, delivery: Delivery) -> None:
        batches = self._persist(lambda: claims.claim_hint(self._slave, delivery.hint.task_ids))
        self._backlog.extend(batches)
        if not batches:
            self._next_look = 0.0  # it was about directories, or it is old; the database knows
        elif not self._room():
            self._consume(False)
        self._broker.ack(delivery)

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
                    self._progress[_pair(key)] = done
                    if worker.batch is not None:
                        self._throughput.progressed(worker.batch.job.pk, _pair(key), sent)
                case Finished(number):
                    self._finish(worker, number)
                case SaveToken() | CheckpointMade() | IntentAsked() | FenceAsked() as question:
                    worker.process.reply(self._persist(lambda: self._answer(worker, question)))
        except WorkerDied as death:
            self._bury(worker, death)

    def _answer(self, worker: Worker, question: Question) -> set[int]:
        slave = self._slave
        match question:
            case FenceAsked(keys):
                return uploads.owned(slave, keys)
            case SaveToken(key, token):
                worker.uploads.add(key.task_id)
                is_ours = uploads.save_token(slave, _pair(key), token)
            case CheckpointMade(key, offset, sha256):
                is_ours = uploads.save_checkpoint(slave, _pair(key), offset, sha256)
            case IntentAsked(key, sha256, token):
                worker.uploads.add(key.task_id)
                is_ours = uploads.save_intent(slave, _pair(key), sha256, token)
        return {key.task_id} if is_ours else set()

    def _take_outcomes(self, worker: Worker, outcomes: Outcomes) -> None:
        if worker.batch is None:
            return
        answer = answers.sort(worker.batch.job, worker.open, worker.uploads, worker.begun_at, outcomes)
        if not worker.open:
            worker.finished()
            if self._backlog and self._is_feeding and worker.is_alive:  # it works on while we write
                self._feed_one(worker)
        self._settle(answer)
        # Where hints come, the database is asked only after a while without one; else at once.
        self._next_look = time.monotonic() + self._look_seconds if self._expects_hints else 0.0

    def _settle(self, answer: Answer) -> None:
        is_written = not answer.copied or self._persist(lambda: self._settle_copied(answer))
        pairs = answer.others if is_written else answer.in_full()
        if pairs:
            self._persist(lambda: self._settle_in_full(answer, pairs))

    def _settle_copied(self, answer: Answer) -> bool:
        rows, old_bytes = answer.copied_rows(), answer.claimed_bytes()
        is_written = transitions.settle_copied(self._slave, answer.job.pk, rows, old_bytes=old_bytes)
        if is_written:
            self._throughput.copied(answer.job.pk, len(rows), sum(row.copied_bytes for row in rows))
        return is_written

    def _settle_in_full(self, answer: Answer, pairs: Sequence[tuple[Claimed, Outcome]]) -> None:
        rows = answer.settled(pairs)
        won = transitions.settle(self._slave, rows)
        for task, outcome in pairs:
            key, is_done = (task.id, task.epoch), task.id in won and outcome.result is Result.COMPLETED
            is_complete = is_done and task.kind == "file"
            self._progress.pop(key, None)
            self._throughput.ended(answer.job.pk, key, outcome.bytes_copied, is_complete=is_complete)
        if len(won) < len(rows):
            log.warning("%d of %d tasks were not ours any more and are left alone", len(rows) - len(won), len(rows))
        if lack := settling.lack_of_room(pair for pair in pairs if pair[0].id in won):
            parking.park_full(answer.job, lack, actor=f"slave:{self._slave.name}")

    def _finish(self, worker: Worker, number: int) -> None:
        if worker.number == number and worker.open:
            log.error("a worker finished without an answer for %d tasks", len(worker.open))
            self._give_up(worker, settling.died(worker.open.values(), None))

    def _give_up(self, worker: Worker, outcomes: Sequence[Outcome]) -> None:
        self._take_outcomes(worker, Outcomes(tuple(outcomes), []))

    def _bury(self, worker: Worker, death: WorkerDied) -> None:
        log.error("%s; what it had in hand is tried again", death)
        self._give_up(worker, settling.died(worker.open.values(), death.exit_code))
        # First out of the list, which the heartbeat's thread goes through to set deadlines.
        self._workers[self._workers.index(worker)] = Worker(self._heartbeat.deadline)
        worker.kill()

    # ── once a second ─────────────────────────────────────────────────────────────────────────────────────────

    def _let_go_of_strays(self) -> None:
        """Give back what is ours by the database and in nobody's hand."""
        held = {task_id for worker in self._workers for task_id in worker.open}
        held |= {task.id for batch in self._backlog for task in batch.tasks}
        if count := transitions.let_go(self._slave, held):
            log.warning("%d tasks were claimed without our hearing of it; they wait again", count)

    def _control(self) -> None:
        busy = [worker for worker in self._workers if worker.batch is not None]
        if not busy:
            return
        progress, self._progress = self._progress, {}
        uploads.save_progress(self._slave, progress)
        ids = {batch.job.pk for batch in self._batches_in_hand()}
        jobs = {job.pk: job for job in Job.objects.filter(pk__in=ids)}
        sharing = selectors.workers_of_jobs([job for job in ids if jobs[job].bytes_per_second])
        self._release_backlog([batch for batch in self._backlog if _stop_of(jobs[batch.job.pk]) is not Stop.NONE])
        for worker in busy:
            if worker.batch:
                job = jobs[worker.batch.job.pk]
                worker.ask_to_stop(_stop_of(job))
                mine = sum(other.batch is not None and other.batch.job.pk == job.pk for other in busy)
                worker.process.set_rate(_share(job, sharing.get(str(job.pk), 1) * mine))

    def _batches_in_hand(self) -> Iterator[Batch]:
        yield from (worker.batch for worker in self._workers if worker.batch is not None)
        yield from self._backlog


def _stop_of(job: Job) -> Stop:
    """What a job's state means for work of it that is under way."""
    if job.status == JobStatus.KILLED:
        return Stop.CANCEL
    return Stop.RELEASE if job.status != JobStatus.RUNNING or job.parked_code else Stop.NONE


def _share(job: Job, workers: int) -> int:
    """This worker's part of the job's rate; 0 is unlimited."""
    return max(1, job.bytes_per_second // max(1, workers)) if job.bytes_per_second else 0


def _pair(key: TaskKey) -> uploads.Key:
    return key.task_id, key.epoch


