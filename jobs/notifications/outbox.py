"""Writing down what is to be told, in the transaction of what happened."""

from __future__ import annotations

import enum
import json
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.counters import totals
from jobs.models import Job, Notification
from jobs.notifications.addresses import addresses_of
from jobs.progress import progress_from
from jobs.words import iso_moment


class Happening(enum.StrEnum):
    """What is told of a job."""

    FAILING = "job.failing"
    """The first file failed, or a scan did, since all was well."""
    PARKED = "job.parked"
    """Nothing is copied until somebody helps: a disk is not mounted, the sink is full."""
    RECOVERED = "job.recovered"
    """All is well again after either."""
    COMPLETED = "job.completed"
    """A run-once job is through, perhaps with failed files."""


def tell(job: Job, happening: Happening, *, reason_code: str = "", text: str = "") -> None:
    """Write it down; call inside the transaction of what happened."""
    payload = json.dumps(_payload(job, happening, reason_code, text))
    Notification.objects.create(job=job, payload=payload)


def address_all() -> int:
    """Make a row for everybody who wants to know of what happened; returns how many."""
    told = Notification.objects.filter(channel=Notification.Channel.EVERYBODY, ended_at=None)
    return sum(_address(row) for row in told.select_related("job__owner").order_by("created_at")[:100])


@transaction.atomic
def _address(told: Notification) -> int:
    if not Notification.objects.filter(pk=told.pk, ended_at=None).update(ended_at=Now()):
        return 0  # another scheduler did
    rows = [
        Notification(job=told.job, channel=channel, address=address, payload=told.payload)
        for channel, address in addresses_of(told.job)
    ]
    return len(Notification.objects.bulk_create(rows))


def _payload(job: Job, happening: Happening, reason_code: str, text: str) -> dict[str, Any]:
    progress = progress_from(totals(job.pk), 0)
    return {
        "type": happening,
        "timestamp": iso_moment(timezone.now()),
        "data": {
            "job_id": str(job.pk),
            "name": job.name,
            "source": f"{job.source_type}:{job.source_path}",
            "sink": f"{job.sink_type}:{job.sink_path}",
            "status": job.status,
            "reason_code": reason_code,
            "text": text,
            "files": progress.files,
            "completed": progress.by_status["completed"],
            "failed": progress.by_status["failed"],
            "bytes_copied": progress.bytes_copied,
        },
    }
