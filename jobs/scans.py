"""The life of a scan row: requested by a person or the clock, claimed by a scheduler, renewed, finished.

Each write is fenced by owner and epoch, so that a scheduler that froze can't end a scan another one has taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs import bell
from jobs.compiled import Compiled
from jobs.counters import totals
from jobs.machine import is_dead_here
from jobs.models import Job, JobEvent, Scan
from jobs.progress import progress_from
from jobs.selectors import due_jobs, went_through
from jobs.states import JobStatus

SCAN_LEASE_SECONDS = 45
#: A scan that could not be finished is tried again after this, or after the job's interval if that is shorter.
RETRY_SECONDS = 60
RETRY_PARTIAL_SECONDS = 300
HISTORY_DAYS = 90
#: So many old ones make way for a new one.
FORGOTTEN_AT_ONCE = 100


def request_due() -> int:
    """Request a scan for every job whose time has come. Missed intervals collapse into one."""
    count = 0
    for job in _due().rows():
        try:
            with transaction.atomic():
                Scan.objects.create(job=job)
                Job.objects.filter(pk=job.pk).update(next_scan_at=_next(job.interval))
            count += 1
        except IntegrityError:
            continue  # somebody else requested it in the same moment
    return count


def _next(interval: timedelta | None) -> object:
    return None if interval is None else Now() + interval


def claim(owner: str, machine: str) -> Scan | None:
    """Take one requested scan, or one whose scheduler died, that this machine can perform."""
    free_those_of_the_dead(machine)
    return next(filter(None, (_claim(scan, owner, machine) for scan in _first_claimable(machine).rows())), None)


@transaction.atomic
def _claim(scan: Scan, owner: str, machine: str) -> Scan | None:
    won = Scan.objects.filter(_is_free(), pk=scan.pk, epoch=scan.epoch, finished_at=None).update(
        owner=owner,
        epoch=F("epoch") + 1,
        machine_id=machine,
        started_at=Now(),
        lease_expires_at=_lease(),
        **dict.fromkeys(_COUNTERS, 0),
    )
    if not won:
        return None
    if scan.epoch:
        scan.findings.all().delete()
    _remember_if_synced(scan)
    return Scan.objects.select_related("job").get(pk=scan.pk)


def _remember_if_synced(scan: Scan) -> None:
    """Before a scan finds something new: if all that the last one found is at the sink, then so is everything that the
    source held when that one started."""
    finished = Scan.objects.filter(job_id=scan.job_id, is_preview=False, finished_at__isnull=False)
    last = finished.order_by("-id").first()
    if last and went_through(last) and not progress_from(totals(scan.job_id), 0).unsynced:
        Job.objects.filter(pk=scan.job_id).update(synced_as_of=last.started_at)


def claimable(machine: str) -> QuerySet[Scan]:
    """Scans that wait for a scheduler on this machine."""
    here = Q(job__machine_id__in=["", machine])
    alive = Q(job__status=JobStatus.RUNNING) | Q(is_preview=True)
    return Scan.objects.filter(_is_free(), here, alive, finished_at=None)


def questions(machine: str) -> tuple[Compiled[Job], Compiled[Scan]]:
    """For which a scan is to be requested, and what `claim` would find."""
    return _due(), _first_claimable(machine)


@cache
def _first_claimable(machine: str) -> Compiled[Scan]:
    return Compiled(claimable(machine).order_by("id")[:10])


def _is_free() -> Q:
    return Q(started_at=None) | Q(lease_expires_at__lte=Now())


@cache
def _due() -> Compiled[Job]:
    return Compiled(due_jobs())


def free_those_of_the_dead(machine: str) -> None:
    """A scheduler whose process is gone from this machine does not have to be waited for."""
    for scan in _running(machine).rows():
        if is_dead_here(scan.owner):
            Scan.objects.filter(pk=scan.pk, epoch=scan.epoch).update(lease_expires_at=Now())


@cache
def _running(machine: str) -> Compiled[Scan]:
    started = Scan.objects.filter(finished_at=None, started_at__isnull=False, machine_id=machine)
    return Compiled(started.filter(lease_expires_at__gt=Now()))


_COUNTERS = (
    *("files_seen", "bytes_seen", "new", "changed", "unchanged", "compared", "drifted"),
    *("skipped", "gone", "errors", "bytes_to_copy"),
)


def _lease() -> object:
    return Now() + timedelta(seconds=SCAN_LEASE_SECONDS)


def renew(owner: str, scan_ids: list[int]) -> int:
    """Keep the leases of the scans this scheduler is performing."""
    return Scan.objects.filter(pk__in=scan_ids, owner=owner, finished_at=None).update(lease_expires_at=_lease())


def hold(scan: Scan, counts: Mapping[str, int]) -> bool:
    """Write its counters, which holds it until this transaction ends; False if it is not ours any more or its job was
    killed."""
    alive = Exists(Job.objects.filter(pk=OuterRef("job_id")).exclude(status=JobStatus.KILLED))
    return bool(_mine(scan).filter(alive).update(**counts))


def drop_preview(job: Job, machine: str) -> None:
    """Somebody wants another scan of the job than the dry run that nobody performs."""
    free_those_of_the_dead(machine)
    Scan.objects.filter(_is_free(), job=job, is_preview=True, finished_at=None).delete()


def give_back(scan: Scan) -> None:
    """The scheduler stops: another one may start the scan anew at once."""
    _mine(scan).update(started_at=None, lease_expires_at=None, owner="")


def _mine(scan: Scan) -> QuerySet[Scan]:
    return Scan.objects.filter(pk=scan.pk, owner=scan.owner, epoch=scan.epoch, finished_at=None)


def finish(scan: Scan, *, error_code: str = "", error_text: str = "", must_look_again: bool = False) -> bool:
    """The scan is over; False if it was no longer ours. One that failed, or could not tell all, is due again soon."""
    with transaction.atomic():
        won = _mine(scan).update(finished_at=Now(), error_code=error_code, error_text=error_text)
        if won:
            bell.ring()
            scan.refresh_from_db()
            if not scan.is_preview:
                _plan_next(scan, must_come_soon=bool(error_code) or must_look_again)
                _forget_before(scan)
            JobEvent.objects.create(
                job_id=scan.job_id,
                actor="scheduler",
                action="preview_done" if scan.is_preview else "scan_done",
                count=scan.files_seen,
                reason_code=error_code,
                text=error_text,
            )
    return bool(won)


def _forget_before(scan: Scan) -> None:
    """What is older than a job's history, however often it is scanned."""
    past = Scan.objects.filter(job=scan.job_id, pk__lt=scan.pk, finished_at__lt=Now() - timedelta(days=HISTORY_DAYS))
    Scan.objects.filter(pk__in=list(past.order_by("pk").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])).delete()


def _plan_next(scan: Scan, *, must_come_soon: bool) -> None:
    """A scan that failed is repeated soon; a run-once job whose scan saw single errors as well, a little later."""
    later = Now() + timedelta(seconds=RETRY_SECONDS if must_come_soon else RETRY_PARTIAL_SECONDS)
    jobs = Job.objects.filter(Q(next_scan_at=None) | Q(next_scan_at__gt=later), pk=scan.job_id)
    if must_come_soon:
        jobs.update(next_scan_at=later)
    elif scan.errors:
        jobs.filter(interval=None).update(next_scan_at=later)
    else:
        Job.objects.filter(pk=scan.job_id, interval=None).update(next_scan_at=None)


def bind(job: Job, *, machine: str, source_device: str, sink_device: str) -> None:
    """Remember where the roots lie, to notice an unmounted disk, and whose directories they are."""
    if (job.machine_id, job.source_device, job.sink_device) == (machine, source_device, sink_device):
        return
    Job.objects.filter(pk=job.pk).update(machine_id=machine, source_device=source_device, sink_device=sink_device)
    job.machine_id, job.source_device, job.sink_device = machine, source_device, sink_device


def close_scans_of_killed_jobs() -> int:
    """Requested scans nobody will perform any more."""
    killed = Job.objects.filter(pk=OuterRef("job_id"), status=JobStatus.KILLED)
    orphans = Scan.objects.filter(Exists(killed), finished_at=None, started_at=None)
    return orphans.update(finished_at=Now(), error_code="JOB_KILLED", error_text="The job was killed.")
