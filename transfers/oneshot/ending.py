"""When a one-shot sync is over: all is completed, or what is left will not be done while somebody waits for it."""

from __future__ import annotations

import time

from django.db.models import QuerySet

from jobs import parking, services
from jobs.compiled import Compiled
from jobs.models import Job, Scan, Task
from jobs.states import JobStatus, TaskStatus
from jobs.waiting import is_unsettled, tasks_in_hand, waiting_directories, waiting_files

#: Nothing but files whose storage does not answer: so long a one-shot sync waits for it.
UNREACHABLE_SECONDS = 300.0
UNREACHABLE = tuple(f"{side}_{code}" for side in ("SOURCE", "SINK") for code in ("UNREACHABLE", "ROOT_CHANGED"))


class Ending:
    """Of one job. What is asked again and again is compiled with it."""

    def __init__(self, job: Job, *, is_dry_run: bool) -> None:
        self.job, self._is_dry_run = job, is_dry_run
        self._in_hand = Compiled(tasks_in_hand().filter(job=job).only("pk")[:1])
        self._unsettled = Compiled(Job.objects.filter(is_unsettled(), pk=job.pk).only("pk"))
        self._has_retried = False
        """What failed in earlier runs is tried again once the scan has told what of it is still there."""
        self._unreachable: tuple[int, float] = (0, 0.0)
        """So many files are left that all wait for a storage, since then."""

    def is_busy(self) -> bool:
        """Whether a slave has something in hand."""
        return bool(self._in_hand.rows())

    def is_all_completed(self) -> bool:
        """Whether every task there ever was is: nothing waits, is in hand or was given up."""
        return not self._unsettled.rows()

    def is_over(self, scan: Scan) -> bool:
        """As far as `scan` tells, and what is left to do."""
        if scan.finished_at is None:
            return False
        if self._is_dry_run or scan.error_code or self.is_all_completed():
            return True
        if not self._has_retried:
            self._has_retried = True
            services.retry_failed(self.job, actor="sync", failed_before=scan.started_at)
        if Job.objects.filter(pk=self.job.pk, status__in=[JobStatus.KILLED, JobStatus.PAUSED]).exists():
            return True
        return self.is_nothing_left()

    def is_nothing_left(self) -> bool:
        """A full sink is not waited for: what fits is copied, the job parked until somebody acts. Directories come
        last: while files are stuck, they are not waited for either."""
        if self.is_busy():
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
