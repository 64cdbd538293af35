"""How fast: what the slaves wrote down every few seconds, summed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
#: What the history tells: an hour.
MOMENTS, MOMENT_SECONDS = 60, 60


class Speed(NamedTuple):
    """Over the last half minute."""

    bytes_per_second: float = 0.0
    files_per_second: float = 0.0
    files: int = 0
    """How many it was seen by."""


def speeds(
    job_ids: Collection[JobId] | None, begun: Mapping[str, datetime | None] | None = None
) -> dict[str, Speed]:
    """Job id → speed, in one query; zero where nothing was copied lately. None: of all jobs that copied lately.

    `begun`: job id → when its last scan began, before which nothing of it can have been copied if that falls into the
    first ten seconds that were written down."""
    found = {str(job): Speed() for job in job_ids or ()}
    recent = Sample.objects.filter(at__gt=Now() - timedelta(seconds=WINDOW_SECONDS + Sample.SECONDS))
    if job_ids is not None:
        recent = recent.filter(job_id__in=job_ids)
    sums = recent.values_list("job_id").annotate(first=Min("at"), size=Sum("bytes"), count=Sum("files"))
    now = timezone.now()
    for job, first, size, count in sums.order_by():
        start = _start(first, (begun or {}).get(str(job)))
        seconds = max(LEAST_SECONDS, (now - start).total_seconds())
        found[str(job)] = Speed(size / seconds, count / seconds, count)
    return found


def _start(first: datetime, begun: datetime | None) -> datetime:
    """Of what was copied: ten seconds are written down under the moment they began."""
    is_within = begun is not None and first < begun < first + timedelta(seconds=Sample.SECONDS)
    return begun if begun is not None and is_within else first


class Moment(NamedTuple):
    """A stretch of the history."""

    at: datetime
    """Its start."""
    bytes_per_second: float
    files_per_second: float


def throughput_history(job_ids: Collection[JobId] | None) -> list[Moment]:
    """The last hour in stretches of equal length, the oldest first, of these jobs together (None: of all).

    One query, at most 360 rows however many jobs there are. The last stretch is not over: its speed is of what is."""
    now = timezone.now()
    end = _rounded_up(now, MOMENT_SECONDS)
    start = end - timedelta(seconds=MOMENTS * MOMENT_SECONDS)
    samples = Sample.objects.filter(at__gte=start)
    if job_ids is not None:
        samples = samples.filter(job_id__in=job_ids)
    sums = [[0, 0] for _ in range(MOMENTS)]
    for at, size, count in samples.values_list("at").annotate(size=Sum("bytes"), count=Sum("files")).order_by():
        place = sums[min(MOMENTS - 1, int((at - start).total_seconds()) // MOMENT_SECONDS)]
        place[0] += size
        place[1] += count
    lengths = [float(MOMENT_SECONDS)] * MOMENTS
    lengths[-1] = max(float(Sample.SECONDS), MOMENT_SECONDS - (end - now).total_seconds())
    return [
        Moment(start + timedelta(seconds=number * MOMENT_SECONDS), size / seconds, count / seconds)
        for number, ((size, count), seconds) in enumerate(zip(sums, lengths, strict=True))
    ]


def _rounded_up(moment: datetime, seconds: int) -> datetime:
    rest = moment.timestamp() % seconds
    return moment + timedelta(seconds=seconds - rest)
