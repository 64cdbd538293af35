"""Jobs that begin to fail or are parked, and jobs that are well again: each is told once.

A job is in trouble from its first failed task, failed scan or parking, until its last scan went through, it is not
parked, and every task is final and none of them failed. So neither a file that fails at every scan nor a sink whose
quota lets one file through now and then is told over and over.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now

from jobs.models import Counter, Job, JobEvent, Scan, TaskKind
from jobs.notifications.outbox import Happening, tell
from jobs.states import JobStatus, TaskStatus
from jobs.waiting import is_active

_FAILED = [f"{kind}.{TaskStatus.FAILED}" for kind in TaskKind]
_IN_TROUBLE = Q(failing_since__isnull=False) | Q(parked_since__isnull=False)


class _Trouble(NamedTuple):
    reason_code: str
    text: str


def watch() -> int:
    """Notice every change since the last time; returns how many jobs changed. Two queries if none did."""
    failed, bad_scan = _has_failed_tasks(), Q(scan_code__gt="") | Q(scan_errors__gt=0)
    good_scan = Q(scan_code="", scan_errors=0)
    begun = _watched().filter(failed | bad_scan, failing_since=None)
    ended = _watched().filter(_IN_TROUBLE, ~failed, ~is_active(), good_scan)
    return sum(map(_begin, begun)) + sum(map(_end, ended))


def note_parking(job: Job, code: str, text: str) -> None:
    """Tell that the job is parked, if that was not told since all was well; in the transaction that parks it."""
    if Job.objects.filter(pk=job.pk, parked_since=None).update(parked_since=Now()):
        tell(job, Happening.PARKED, reason_code=code, text=text)


def _watched() -> QuerySet[Job]:
    """Of parked jobs that was told; with paused and killed ones nothing happens."""
    last = Scan.objects.filter(job=OuterRef("pk"), finished_at__isnull=False, is_preview=False).order_by("-id")
    jobs = Job.objects.filter(status__in=[JobStatus.RUNNING, JobStatus.COMPLETED], parked_code="")
    columns = {"scan_code": "error_code", "scan_text": "error_text", "scan_errors": "errors"}
    return jobs.annotate(**{name: last.values(column)[:1] for name, column in columns.items()})


def _has_failed_tasks() -> Q:
    failed = Counter.objects.filter(name__in=_FAILED).order_by().values("job").annotate(sum=Sum("delta"))
    return Q(pk__in=failed.filter(sum__gt=0).values("job"))


@transaction.atomic
def _begin(job: Job) -> bool:
    if not Job.objects.filter(pk=job.pk, failing_since=None).update(failing_since=Now()):
        return False
    trouble = _trouble_of(job)
    JobEvent.objects.create(job=job, actor="scheduler", action="failing", **trouble._asdict())
    tell(job, Happening.FAILING, **trouble._asdict())
    return True


@transaction.atomic
def _end(job: Job) -> bool:
    if not Job.objects.filter(_IN_TROUBLE, pk=job.pk).update(failing_since=None, parked_since=None):
        return False
    JobEvent.objects.create(job=job, actor="scheduler", action="recovered")
    tell(job, Happening.RECOVERED)
    return True


def _trouble_of(job: Job) -> _Trouble:
    """The scan's own failure, or the latest of a file."""
    code, text = vars(job)["scan_code"], vars(job)["scan_text"]
    if code:
        return _Trouble(code, text)
    if vars(job)["scan_errors"]:
        return _Trouble("", "Some paths could not be read; the last scan names them.")
    event = JobEvent.objects.filter(job=job, action__in=["failed", "reap"]).order_by("-id").first()
    return _Trouble(event.reason_code, event.text) if event else _Trouble("", "")
