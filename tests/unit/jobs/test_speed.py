"""How fast, now and in the last hour: samples that are added up, and forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs import insight, samples, upkeep
from jobs.models import Sample
from jobs.samples import Moved
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_samples_of_the_same_ten_seconds_are_added_up(job, monkeypatch):
    for _ in range(3):
        samples.record({job.pk: Moved(files=2, bytes=100)})
    total = sum(sample.bytes for sample in Sample.objects.all())
    assert total == 300
    assert Sample.objects.count() <= 2, "two only if the clock went past a multiple of ten meanwhile"
    assert all(sample.at.second % 10 == 0 and not sample.at.microsecond for sample in Sample.objects.all())


def test_speed_is_of_the_last_half_minute(job):
    Sample.objects.create(job=job, at=timezone.now() - timedelta(seconds=20), files=10, bytes=2000)
    Sample.objects.create(job=job, at=timezone.now() - timedelta(minutes=5), files=10, bytes=1 << 40)
    speed = insight.job_insight(job).speed
    assert 90 <= speed.bytes_per_second <= 100
    assert speed.files_per_second == pytest.approx(speed.bytes_per_second / 200)


def test_the_history_has_every_moment_and_adds_up(job):
    other = builders.new_job()
    for minutes in (1.5, 10, 58, 61):
        for each in (job, other):
            at = timezone.now() - timedelta(minutes=minutes)
            Sample.objects.create(job=each, at=at, files=1, bytes=6000)
    moments = insight.throughput_history([job.pk])
    assert len(moments) == 60
    assert sum(moment.bytes_per_second for moment in moments) * 60 == pytest.approx(18_000)
    everything = insight.throughput_history(None)
    assert sum(moment.bytes_per_second for moment in everything) * 60 == pytest.approx(36_000)


def test_the_minute_that_is_not_over_counts_the_seconds_that_are(job, monkeypatch):
    now = datetime(2026, 1, 1, 12, 0, 20, tzinfo=UTC)
    monkeypatch.setattr("jobs.insight.speed.timezone.now", lambda: now)
    Sample.objects.create(job=job, at=now - timedelta(seconds=10), files=1, bytes=6000)
    Sample.objects.create(job=job, at=now - timedelta(seconds=30), files=1, bytes=6000)
    assert [moment.bytes_per_second for moment in insight.throughput_history(None)[-2:]] == [100, 300]


def test_old_samples_are_forgotten(job):
    Sample.objects.create(job=job, at=timezone.now() - timedelta(seconds=Sample.KEPT_SECONDS + 60), files=1, bytes=1)
    samples.record({job.pk: Moved(1, 1)})
    upkeep.tidy()
    assert Sample.objects.count() == 1
