"""How fast: what the slaves wrote down every few seconds, summed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Min, Sum
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import JobId, Sample

#: Speed is what was copied in about this long, up to now.
WINDOW_SECONDS = 30
#: A job that began just now is not judged by less than this.
LEAST_SECONDS = 5.0
HOUR_SECONDS = 3600


class Speed(NamedTuple):
    """Over the last half minute."""

    bytes_per_second: float = 0.0
    files_per_second: float = 0.0


def speeds(job_ids: Collection[JobId] | None) -> dict[str, Speed]:
    """Job id → speed, in one query; zero where nothing was copied lately. None: of all jobs that copied lately."""
    found = {str(job): Speed() for job in job_ids or ()}
    since = Now() - timedelta(seconds=WINDOW_SECONDS + Sample.SECONDS)
    recent = Sample.objects.filter(at__gt=since)
    if job_ids is not None:
        recent = recent.filter(job_id__in=job_ids)
    sums = recent.values_list("job_id").annotate(first=Min("at"), size=Sum("bytes"), count=Sum("files"))
    now = timezone.now()
    for job, first, size, count in sums.order_by():
        seconds = max(LEAST_SECONDS, (now - first).total_seconds())
        found[str(job)] = Speed(size / seconds, count / seconds)
    return found


class Moment(NamedTuple):
    """A stretch of the history."""

    at: datetime
    """Its start."""
    bytes_per_second: float
    files_per_second: float


def throughput_history(job_ids: Collection[JobId] | None = None, *, moments: int = 60) -> list[Moment]:
    """The last hour in so many stretches of equal length, the oldest first, of these jobs together (None: of all).

    One query, at most 360 rows however many jobs there are. The last stretch is not over: its speed is of what is."""
    length = HOUR_SECONDS // moments
    now = timezone.now()
    end = _rounded_up(now, length)
    start = end - timedelta(seconds=length * moments)
    samples = Sample.objects.filter(at__gte=start)
    if job_ids is not None:
        samples = samples.filter(job_id__in=job_ids)
    sums = [[0, 0] for _ in range(moments)]
    for at, size, count in samples.values_list("at").annotate(size=Sum("bytes"), count=Sum("files")).order_by():
        place = sums[min(moments - 1, int((at - start).total_seconds()) // length)]
        place[0] += size
        place[1] += count
    lengths = [float(length)] * moments
    lengths[-1] = max(float(Sample.SECONDS), length - (end - now).total_seconds())
    return [
        Moment(start + timedelta(seconds=number * length), size / seconds, count / seconds)
        for number, ((size, count), seconds) in enumerate(zip(sums, lengths, strict=True))
    ]


def _rounded_up(moment: datetime, seconds: int) -> datetime:
    rest = moment.timestamp() % seconds
    return moment + timedelta(seconds=seconds - rest)
