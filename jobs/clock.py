"""A clock that was set back leaves moments behind that lie too far ahead (the machine began with a wrong one, say).
What waits for such a moment would wait for as long as the clock was wrong, and nobody would be told.

Under a clock that only goes forward each of them lies at most its own span ahead; a minute more is no mistake of ours.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from jobs.models import Job, Scan, Slave, Task
from jobs.parking import ROOM_SECONDS
from jobs.scans import RETRY_PARTIAL_SECONDS, SCAN_LEASE_SECONDS
from jobs.slaves import LEASE_SECONDS
from jobs.states import JobStatus, TaskStatus
from jobs.waiting import in_status

MARGIN_SECONDS = 60
#: No storage asks to be left alone, and no job leaves a file alone, for longer.
MOST_PATIENCE_SECONDS = 86_400


def bring_back() -> int:
    """Have what waits for an impossible moment wait no longer, or for its usual span; returns how many rows."""
    return _scans() + _leases() + _tries()


def _scans() -> int:
    """Jobs that would not be scanned, or not looked after, before then."""
    running = Job.objects.filter(status=JobStatus.RUNNING)
    often = running.filter(next_scan_at__gt=_ahead(MARGIN_SECONDS) + F("interval"))
    once = running.filter(interval=None, next_scan_at__gt=_ahead(RETRY_PARTIAL_SECONDS + MARGIN_SECONDS))
    parked = Job.objects.filter(parked_until__gt=_ahead(ROOM_SECONDS + MARGIN_SECONDS))
    due = sum(jobs.update(next_scan_at=Now()) for jobs in (often, once))
    return due + parked.update(parked_until=Now())


def _leases() -> int:
    """Slaves and scans whose process may be dead; one that lives renews its lease."""
    slaves = Slave.objects.filter(lease_expires_at__gt=_ahead(LEASE_SECONDS + MARGIN_SECONDS))
    scans = Scan.objects.filter(finished_at=None, lease_expires_at__gt=_ahead(SCAN_LEASE_SECONDS + MARGIN_SECONDS))
    renewed = slaves.update(lease_expires_at=_ahead(LEASE_SECONDS))
    return renewed + scans.update(lease_expires_at=_ahead(SCAN_LEASE_SECONDS))


def _tries() -> int:
    """Files that would not be tried again. Looked for before anything is locked: there may be many."""
    too_late = _ahead(MOST_PATIENCE_SECONDS + MARGIN_SECONDS)
    waiting = Task.objects.filter(in_status(TaskStatus.RETRYING), not_before__gt=too_late)
    return waiting.update(not_before=None) if waiting.exists() else 0


def _ahead(seconds: float) -> CombinedExpression:
    return Now() + timedelta(seconds=seconds)
