"""One sync from start to end: find or create the job, scan, copy, wait until nothing is left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

from django.db import transaction
from django.db.models import QuerySet

from jobs import counters, parking, scans, services, upkeep
from jobs.changes import Changes
from jobs.compiled import Compiled
from jobs.machine import machine_id
from jobs.models import Job, Scan, Task
from jobs.paths import parse_path
from jobs.services import Options
from jobs.states import JobStatus, TaskStatus
from jobs.storages import configured, job_root
from jobs.waiting import (
    by_kind,
    in_status,
    is_active,
    is_unsettled,
    tasks_in_hand,
    waiting_directories,
    waiting_files,
)
from storage_backends import registry
from transfers.engine.pool import Start, execute
from transfers.oneshot.catalogue import Met
from transfers.oneshot.headstart import HeadStart
from transfers.oneshot.scheduling import SchedulerProcess
from transfers.slave.process import draw_name, run_slave

LOOK_SECONDS = 0.01
CHECK_SECONDS = 0.05
#: While it only waits for the scan, and learns for next to nothing that nothing was written.
WAIT_SECONDS = 0.0025
#: So often it asks whether it is over though nothing was written.
PATIENCE_SECONDS = 1.0
#: While something is under way it is not over, and the scan is looked at for the display alone.
BUSY_SECONDS = 0.5
#: Nothing but files whose storage does not answer: so long a one-shot sync waits for it.
UNREACHABLE_SECONDS = 300.0
UNREACHABLE = tuple(f"{side}_{code}" for side in ("SOURCE", "SINK") for code in ("UNREACHABLE", "ROOT_CHANGED"))


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    source: tuple[str, str]
    sink: tuple[str, str]
    options: Options
    concurrency: int
    is_dry_run: bool = False


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
    _has_retried: bool = False
    """What failed in earlier runs is tried again once the scan has told what of it is still there."""
    _unreachable: tuple[int, float] = (0, 0.0)
    """So many files are left that all wait for a storage, since then."""

    @contextmanager
    def run(self) -> Iterator[None]:
        """To the end, or until interrupted (checkpoints saved, work released). Within, all that can be told is true,
        while what is not needed any more still ends."""
        for alias, _ in (self.request.source, self.request.sink):
            registry.load(configured()[alias])  # once for both processes
        self._scheduler = SchedulerProcess(self.head_start)
        mother = self.head_start.mother() if self.head_start else None
        try:
            self._prepare()
            self._work(mother.start if mother else execute)
            if not self._is_finished:  # its scan may still write, and ask a child of the mother's
                self._scheduler.stop()
                if self._scheduler.met:
                    raise Met(self._scheduler.met)
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
        self._scheduler.begin(takes_over=is_fresh and not is_work_left)
        _ = self._in_hand, self._unsettled  # compiled now that the scan needs its time
        if self.request.is_dry_run:
            self._wait_for(lambda: False)
        elif is_work_left or not self.before or self._wait_for(self._is_work_left):
            run_slave(
                draw_name(),
                concurrency=self.request.concurrency,
                should_stop=self._should_stop,
                look_seconds=LOOK_SECONDS,
                start_worker=start_worker,
                is_patient=False,
            )

    def _prepare(self) -> None:
        known = _find(self.request)
        self.job = known or _create(self.request)
        self.losses = services.losses(self.job)
        for sentence in self.losses:
            self.warn(sentence)
        self.before = counters.totals(self.job.pk)
        with transaction.atomic():
            if known:
                _renew(known, self.request)
            self.scan = self._ask_for_scan()

    @cached_property
    def _in_hand(self) -> Compiled[Task]:
        return Compiled(tasks_in_hand().filter(job=self.job).only("pk")[:1])

    @cached_property
    def _active(self) -> Compiled[Job]:
        return Compiled(Job.objects.filter(is_active(), pk=self.job.pk).only("pk"))

    @cached_property
    def _unsettled(self) -> Compiled[Job]:
        return Compiled(Job.objects.filter(is_unsettled(), pk=self.job.pk).only("pk"))

    def is_all_completed(self) -> bool:
        """Whether every task there ever was is: nothing waits, is in hand or was given up."""
        return not self._unsettled.rows()

    def _is_work_left(self) -> bool:
        """Whether a slave has anything to do.

        What is left of an earlier run is begun at once, so a row may be settled between an early look at the sink and
        the scan's look at the row: that file would seem to be missing. No listing may be older than that."""
        return bool(self._active.rows())

    def _ask_for_scan(self) -> Scan:
        """One that an interrupted sync has left goes on, but none of a dry run: that would copy nothing and find all
        completed. Nor does a dry run take up one that writes: it is refused."""
        is_dry_run = self.request.is_dry_run
        unfinished = Scan.objects.filter(job=self.job, finished_at=None, is_preview=is_dry_run).first()
        if unfinished is not None:
            return unfinished
        if is_dry_run:
            return services.preview(self.job, actor="sync")
        scans.drop_preview(self.job, machine_id())
        Job.objects.filter(pk=self.job.pk).update(next_scan_at=None)
        return services.run_now(self.job, actor="sync")

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
        if self._changes.are_possible() and (now >= self._next_look or not self._in_hand.rows()):
            self._next_look = now + BUSY_SECONDS
            self.scan.refresh_from_db()
            self._is_finished = self._is_over()
            if self._is_finished:
                self._scheduler.ask_to_stop()

    def _is_over(self) -> bool:
        if self.scan.finished_at is None:
            return False
        if self.request.is_dry_run or self.scan.error_code:
            return True
        if self.is_all_completed():
            return True
        if not self._has_retried:
            self._has_retried = True
            services.retry_failed(self.job, actor="sync", failed_before=self.scan.started_at)
        if Job.objects.filter(pk=self.job.pk, status__in=[JobStatus.KILLED, JobStatus.PAUSED]).exists():
            return True
        return self._is_nothing_left()

    def _is_nothing_left(self) -> bool:
        """A full sink is not waited for: what fits is copied, the job parked until somebody acts. Directories come
        last: while files are stuck, they are not waited for either."""
        if tasks_in_hand().filter(job=self.job).exists():
            return False
        files = waiting_files().filter(job=self.job)
        waiting = files if files.exists() else waiting_directories().filter(job=self.job)
        return not waiting.exists() or self._is_full() or self._is_given_up(waiting)

    def _is_full(self) -> bool:
        is_parked = Job.objects.filter(pk=self.job.pk, parked_code__in=parking.FULL).exists()
        return is_parked or parking.park_if_full(self.job, actor="sync")

    def _is_given_up(self, waiting: QuerySet[Task]) -> bool:
        """Whether a storage has not answered for so long that whoever sits at the shell is better told."""
        if waiting.exclude(status=TaskStatus.RETRYING, reason_code__in=UNREACHABLE).exists():
            self._unreachable = (0, 0.0)
            return False
        left, now = waiting.count(), time.monotonic()
        if left != self._unreachable[0]:
            self._unreachable = (left, now)
        return now - self._unreachable[1] > UNREACHABLE_SECONDS


def _find(request: Request) -> Job | None:
    """The job of an earlier run over the same two places goes on; its rows are what makes the second run fast."""
    (source_type, source_path), (sink_type, sink_path) = request.source, request.sink
    places = (parse_path(source_path, field="source"), parse_path(sink_path, field="sink"))
    alike = Job.objects.filter(source_type=source_type, sink_type=sink_type, interval=None)
    jobs = alike.exclude(status=JobStatus.KILLED).order_by("-created_at")
    job = next((job for job in jobs if (job_root(job, "source").path, job_root(job, "sink").path) == places), None)
    if job is not None:
        services.check_roots(job, ignore=job)
    return job


def _create(request: Request) -> Job:
    (source_type, source_path), (sink_type, sink_path) = request.source, request.sink
    return services.create_job(
        actor="sync",
        source_type=source_type,
        source_path=source_path,
        sink_type=sink_type,
        sink_path=sink_path,
        is_due=False,
        **request.options,
    )


def _renew(job: Job, request: Request) -> None:
    parking.try_again(job, actor="sync")
    services.update_options(job, actor="sync", **request.options)
    if job.status == JobStatus.PAUSED:
        services.resume_job(job, actor="sync")


def failed_tasks(job: Job) -> list[Task]:
    """What did not arrive and is still at the source, in the order of the catalogue."""
    here = Task.objects.filter(job=job, gone_at=None)
    wrong = [task for status in (TaskStatus.FAILED, TaskStatus.RETRYING) for task in here.filter(in_status(status))]
    return sorted(wrong, key=attrgetter("id"))


def unfinished_tasks(job: Job) -> int:
    """How many were not even tried to their end: the job was paused or killed, or the sync interrupted."""
    tasks = Task.objects.filter(job=job)
    stopped = (tasks.filter(in_status(status)) for status in (TaskStatus.IN_PROGRESS, TaskStatus.CANCELLED))
    return sum(found.count() for found in (*by_kind(tasks.filter(in_status(TaskStatus.PENDING))), *stopped))
