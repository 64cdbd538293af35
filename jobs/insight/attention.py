"""What somebody should look at, the gravest first."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs.claimable import unserved_jobs
from jobs.insight.failures import failures_by_reason
from jobs.latest import latest_scans
from jobs.models import Job, Scan, Slave
from jobs.reasons import REASONS
from jobs.selectors import all_live_slaves, leader
from jobs.states import JobStatus

#: A scan that waits longer than this for a scheduler is stale.
STALE_SECONDS = 120
#: A slave that died longer ago than this is history.
DEAD_HOURS = 24
#: How many of one kind are named.
NAMED = 10


class Kind(enum.StrEnum):
    """What is wrong."""

    NO_SCHEDULER = "no_scheduler"
    NO_SLAVE = "no_slave"
    PARKED_JOB = "parked_job"
    FAILED_TASKS = "failed_tasks"
    FAILED_SCAN = "failed_scan"
    STALE_SCAN = "stale_scan"
    DEAD_SLAVE = "dead_slave"

    @property
    def label(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


class Attention(NamedTuple):
    """One thing."""

    kind: Kind
    text: str
    """What happened, to what, in a sentence without its full stop."""
    hint: str
    """What to do."""
    tasks: int = 0
    """How many failed, where that is what it is about."""
    reason_code: str = ""
    job: Job | None = None
    slave: Slave | None = None
    scan: Scan | None = None


def attention(jobs: QuerySet[Job]) -> list[Attention]:
    """Everything of these jobs, and of the installation, in eight queries at most."""
    return [*processes_needed(jobs), *_parked(jobs), *_failed_tasks(jobs), *_scans(jobs), *_dead_slaves()]


def processes_needed(jobs: QuerySet[Job]) -> Iterator[Attention]:
    """Which scheduler or slave one of these jobs waits for, though it runs; at most three queries."""
    if leader() is None and jobs.filter(status=JobStatus.RUNNING).exists():
        hint = "Start one: manage.py runscheduler."
        yield Attention(Kind.NO_SCHEDULER, "No scheduler is alive: nothing is scanned and nothing handed out", hint)
    slaves = all_live_slaves()
    unserved = unserved_jobs(jobs, slaves).order_by("created_at")
    if slaves:
        yield from (_unserved(job) for job in unserved[:NAMED])
    elif unserved.exists():
        yield Attention(Kind.NO_SLAVE, "No slave is alive: nothing is copied", "Start one: manage.py runslave.")


def _unserved(job: Job) -> Attention:
    text = f"No slave that is alive reaches both {job.source_type} and {job.sink_type}: nothing is copied"
    hint = "Start one where both can be reached (a directory: on its machine), with the same STORAGE_<ALIAS>."
    return Attention(Kind.NO_SLAVE, text, hint, job=job)


def _parked(jobs: QuerySet[Job]) -> Iterator[Attention]:
    for job in jobs.filter(status__in=[JobStatus.RUNNING, JobStatus.PAUSED]).exclude(parked_code="")[:NAMED]:
        text, hint = job.parked_text.rstrip("."), _hint(job.parked_code)
        yield Attention(Kind.PARKED_JOB, text, hint, reason_code=job.parked_code, job=job)


def _failed_tasks(jobs: QuerySet[Job]) -> Iterator[Attention]:
    for failures in failures_by_reason(jobs.exclude(status=JobStatus.KILLED)):
        reason = failures.reason
        yield Attention(
            Kind.FAILED_TASKS, reason.meaning.rstrip("."), reason.hint, failures.tasks, failures.reason_code
        )


def _scans(jobs: QuerySet[Job]) -> Iterator[Attention]:
    """The last scan of a job if it failed as a whole or in part (and not for what the job is parked for, which is told
    already), and those nobody performs."""
    running = jobs.filter(status=JobStatus.RUNNING)
    last = latest_scans(running, finished_at__isnull=False).select_related("job")
    has_failed = ~Q(error_code="") & ~Q(error_code=F("job__parked_code"))
    for scan in last.filter(has_failed | Q(error_code="", errors__gt=0))[:NAMED]:
        text = scan.error_text or f"{scan.errors} paths could not be looked at"
        code = scan.error_code or "SCAN_FAILED"
        yield Attention(Kind.FAILED_SCAN, text.rstrip("."), _hint(code), reason_code=code, job=scan.job, scan=scan)
    waits = Q(started_at=None, requested_at__lt=Now() - timedelta(seconds=STALE_SECONDS))
    unfinished = Scan.objects.filter(job__in=running, is_preview=False, finished_at=None).select_related("job")
    for scan in unfinished.filter(waits | Q(lease_expires_at__lt=Now()))[:NAMED]:
        text = "A scan waits for a scheduler" if scan.started_at is None else "The scheduler died during a scan"
        hint = "Is a scheduler alive that reaches both storages?"
        yield Attention(Kind.STALE_SCAN, text, hint, job=scan.job, scan=scan)


def _dead_slaves() -> Iterator[Attention]:
    """Whose lease ran out without a farewell, and whose name nobody has taken over."""
    heir = Slave.objects.filter(name=OuterRef("name"), started_at__gt=OuterRef("started_at"))
    since = Now() - timedelta(hours=DEAD_HOURS)
    dead = Slave.objects.filter(~Exists(heir), stopped_at=None, lease_expires_at__lte=Now(), heartbeat_at__gt=since)
    for slave in dead.order_by("-heartbeat_at")[:NAMED]:
        hint = "Look at its log and start it again; any slave that is alive takes over its files."
        yield Attention(Kind.DEAD_SLAVE, f"{slave.name} on {slave.host} is dead", hint, slave=slave)


def _hint(code: str) -> str:
    return REASONS[code].hint if code in REASONS else ""
