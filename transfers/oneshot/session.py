"""One sync from start to end: job and scan, scheduler and slave, until nothing is left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from django.db import transaction

from jobs import counters, services, upkeep
from jobs.changes import Changes
from jobs.compiled import Compiled
from jobs.models import Job, Scan
from jobs.storages import configured
from jobs.waiting import is_active
from storage_backends import registry
from transfers.engine.pool import Start, execute
from transfers.oneshot.beginning import Request, ask_for_scan, create_job, find_job, renew
from transfers.oneshot.catalogue import Met
from transfers.oneshot.ending import Ending
from transfers.oneshot.headstart import HeadStart
from transfers.oneshot.scheduling import SchedulerProcess
from transfers.slave.process import draw_name, run_slave
from transfers.slave.slave import Manner

LOOK_SECONDS = 0.01
CHECK_SECONDS = 0.05
#: While it only waits for the scan, and learns for next to nothing that nothing was written.
WAIT_SECONDS = 0.0025
#: So often it asks whether it is over though nothing was written.
PATIENCE_SECONDS = 1.0
#: While something is under way it is not over, and the scan is looked at for the display alone.
BUSY_SECONDS = 0.5


ENDED = (
    "the process that scans was ended before it was through (was there too little memory?); "
    "run the same command again, it goes on where it stopped."
)


@dataclass
class Session:
    """A sync under way. `check` is called a few times a second and may show progress."""

    request: Request
    is_interrupted: Callable[[], bool]
    check: Callable[[Session], None]
    warn: Callable[[str], None]
    """What the sink will not keep is told before anything is copied."""
    head_start: HeadStart | None = None
    job: Job = field(init=False)
    scan: Scan = field(init=False)
    losses: list[str] = field(init=False, default_factory=list)
    before: dict[str, int] = field(init=False)
    _scheduler: SchedulerProcess = field(init=False)
    _next_check: float = 0.0
    _next_look: float = 0.0
    _changes: Changes = field(init=False, default_factory=lambda: Changes(PATIENCE_SECONDS))
    _is_finished: bool = False

    @contextmanager
    def run(self) -> Iterator[None]:
        """To the end, or until interrupted (checkpoints saved, work released). Within, all that can be told is true,
        while what is not needed any more still ends."""
        for alias in self._aliases():
            registry.load(configured()[alias])  # once for both processes
        self._scheduler = SchedulerProcess(self.head_start)
        mother = self.head_start.mother() if self.head_start else None
        try:
            self._prepare()
            self._work(mother.start if mother else execute)
            if not self._is_finished:  # its scan may still write, and ask a child of the mother's
                was_ended = not self._scheduler.is_alive() and not self.is_interrupted()
                self._scheduler.stop()
                if self._scheduler.met:
                    raise Met(self._scheduler.met)
                if was_ended:
                    self.warn(ENDED)
                self.scan.refresh_from_db()
            if mother:
                mother.dismiss()
            yield
        finally:
            self._scheduler.stop()
            if mother:
                mother.close()

    def _work(self, start_worker: Start) -> None:
        is_work_left = self._is_work_left()
        is_fresh = self.head_start is None or self.head_start.is_fresh()
        expects_work = self.head_start is not None and self.head_start.expects_work
        self._scheduler.begin(takes_over=is_fresh and not is_work_left)
        _ = self.ending  # compiled now that the scan needs its time
        if self.request.is_dry_run:
            self._wait_for(lambda: False)
        elif is_work_left or not self.before or self._wait_for(self._is_work_left):
            run_slave(
                draw_name(),
                concurrency=self.request.concurrency,
                should_stop=self._should_stop,
                manner=Manner(look_seconds=LOOK_SECONDS, start_worker=start_worker, expects_work=expects_work),
                is_patient=False,
                aliases=self._aliases(),
            )

    def _aliases(self) -> tuple[str, str]:
        """Of both sides; other storages that are configured are nobody's business here."""
        return self.request.source[0], self.request.sink[0]

    def _prepare(self) -> None:
        known = find_job(self.request)
        self.job = known or create_job(self.request)
        self.losses = services.losses(self.job)
        for sentence in self.losses:
            self.warn(sentence)
        self.before = counters.totals(self.job.pk)
        with transaction.atomic():
            if known:
                renew(known, self.request)
            self.scan = ask_for_scan(self.job, is_dry_run=self.request.is_dry_run)

    @cached_property
    def ending(self) -> Ending:
        """When it is over."""
        return Ending(self.job, is_dry_run=self.request.is_dry_run)

    @cached_property
    def _active(self) -> Compiled[Job]:
        return Compiled(Job.objects.filter(is_active(), pk=self.job.pk).only("pk"))

    def _is_work_left(self) -> bool:
        """Whether a slave has anything to do.

        What is left of an earlier run is begun at once, so a row may be settled between an early look at the sink and
        the scan's look at the row: that file would seem to be missing. No listing may be older than that."""
        return bool(self._active.rows())

    def _wait_for(self, is_there: Callable[[], bool]) -> bool:
        """Until it is there, or all is over: False. Where nobody wrote there is nothing new."""
        changes = Changes(PATIENCE_SECONDS)
        upkeep.tidy()  # the scheduler of so short a run does not come to it
        while not self._should_stop():
            if changes.are_possible() and is_there():
                return True
            time.sleep(WAIT_SECONDS if changes.can_tell else CHECK_SECONDS)
        return False

    def _should_stop(self) -> bool:
        if self._is_finished or self.is_interrupted() or not self._scheduler.is_alive():
            return True
        now = time.monotonic()
        is_time = now >= self._next_check
        if is_time or self._changes.can_tell:
            self._look(now)
        if is_time:
            self._next_check = now + CHECK_SECONDS
            self.check(self)
        return self._is_finished

    def _look(self, now: float) -> None:
        if self._changes.are_possible() and (now >= self._next_look or not self.ending.is_busy()):
            self._next_look = now + BUSY_SECONDS
            self.scan.refresh_from_db()
            self._is_finished = self.ending.is_over(self.scan)
            if self._is_finished:
                self._scheduler.ask_to_stop()
