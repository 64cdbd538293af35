"""Who runs: a leading scheduler, slaves, and whether together they can serve every job."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.conf import settings

from jobs import selectors
from jobs.claimable import unserved_jobs
from jobs.models import Job, Slave
from jobs.states import JobStatus
from transfers.management.doctor.findings import Finding, error, ok, warning

MOST_JOBS_TOLD = 10


def check_scheduler() -> Iterator[Finding]:
    """Without one nothing is scanned and nothing is handed out."""
    if selectors.leader():
        yield ok("scheduler", "one leads")
    else:
        yield _missing("scheduler", "no scheduler leads", "Start one: manage.py runscheduler")


def check_slaves() -> Iterator[Finding]:
    """Alive, and of this version."""
    slaves = list(selectors.live_slaves().order_by("name"))
    if not slaves:
        yield _missing("slaves", "no slave is alive", "Start one: manage.py runslave slave-001")
        return
    yield ok("slaves", f"{len(slaves)} alive: {', '.join(slave.name for slave in slaves)}")
    for slave in slaves:
        if slave.version != settings.VERSION:
            text = f"{slave.name} runs version {slave.version}, here it is {settings.VERSION}"
            yield warning("slaves", text, "Upgrade all machines to one version; drain a slave before.")
        for alias, why in slave.unreachable.items():
            yield warning("slaves", f"{slave.name} does not serve {alias}: {why}", "Nothing to do if it need not.")
    yield from _unserved(slaves)


def _unserved(slaves: list[Slave]) -> Iterator[Finding]:
    """Running jobs that no live slave can do."""
    unserved = unserved_jobs(Job.objects.all(), slaves)
    for job in islice(unserved.order_by("created_at").iterator(), MOST_JOBS_TOLD):
        text = f"none alive reaches both {job.source_type} and {job.sink_type} of job {job.pk}"
        yield error(
            "slaves", text, "Start a slave where both can be reached (a directory: on the machine that has it)."
        )


def _missing(topic: str, text: str, todo: str) -> Finding:
    """Trouble only where there is something to do."""
    is_needed = Job.objects.filter(status=JobStatus.RUNNING).exists()
    return error(topic, text, todo) if is_needed else warning(topic, f"{text}; no job needs one now", todo)
