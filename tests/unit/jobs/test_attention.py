"""What is under way, what went wrong, and what somebody has to look at."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import insight, slaves
from jobs.insight.attention import Kind
from jobs.models import Job, Scan, Slave, Task
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_files_in_flight_name_slave_and_offset(job):
    slave = builders.new_slave("slave-007")
    builders.claim_one(slave, job, b"small", size=10)
    big = builders.claim_one(slave, job, b"big", size=1000)
    Task.objects.filter(pk=big.id).update(copied_bytes=455)
    first, second = insight.in_flight(job)
    assert (first.path_display, first.slave, first.copied_bytes, first.percent) == ("big", "slave-007", 455, 45.5)
    assert (first.doing, second.percent) == ("copying", 0.0)


def test_failures_are_grouped_by_reason(job):
    for number in range(3):
        builders.put(job, "failed", b"a%d" % number, reason_code="SINK_NO_SPACE")
    builders.put(job, "failed", b"b")
    builders.put(builders.new_job(), "failed", b"c")
    builders.put(job, "skipped", b"d")
    found = insight.failures_by_reason([job])
    assert [(group.reason_code, group.tasks) for group in found] == [("SINK_NO_SPACE", 3), ("SINK_IO_ERROR", 1)]
    assert found[0].reason.hint.startswith("Make room")


def kinds() -> list[Kind]:
    return [item.kind for item in insight.attention(Job.objects.all())]


def test_nothing_needs_attention_where_nothing_runs(db):
    builders.new_job(status="paused")
    assert kinds() == []


def test_attention_is_drawn_to_what_stands_still(job):
    assert kinds() == [Kind.NO_SCHEDULER, Kind.NO_SLAVE]
    slave = builders.new_slave()
    Job.objects.filter(pk=job.pk).update(parked_code="ROOT_CHANGED", parked_text="The disk is away")
    builders.put(job, "failed")
    scan = builders.scanned(job, error_code="ROOT_MISSING", error_text="It is gone.")
    waiting = Scan.objects.create(job=job, requested_at=Now() - timedelta(minutes=5))
    Slave.objects.filter(pk=slave.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    found = {item.kind: item for item in insight.attention(Job.objects.all())}
    assert list(found) == [
        *(Kind.NO_SCHEDULER, Kind.NO_SLAVE, Kind.PARKED_JOB, Kind.FAILED_TASKS),
        *(Kind.FAILED_SCAN, Kind.STALE_SCAN, Kind.DEAD_SLAVE),
    ]
    assert (found[Kind.FAILED_SCAN].scan, found[Kind.STALE_SCAN].scan) == (scan, waiting)
    assert found[Kind.PARKED_JOB].hint == "Mount the disk; SyncF goes on by itself."


def test_a_job_that_no_live_slave_reaches_is_named(job, slave):
    away = builders.new_job(sink_type="vault")
    elsewhere = builders.new_job(machine_id="elsewhere")
    Job.objects.filter(pk=builders.new_job(sink_type="vault").pk).update(status="paused")
    found = [item for item in insight.attention(Job.objects.all()) if item.kind == Kind.NO_SLAVE]
    assert [item.job for item in found] == [away, elsewhere]
    assert found[0].text == "No slave that is alive reaches both local and vault: nothing is copied"


def test_what_parks_a_job_is_told_once(job, slave):
    Job.objects.filter(pk=job.pk).update(parked_code="ROOT_CHANGED", parked_text="The disk is away.")
    builders.scanned(job, error_code="ROOT_CHANGED", error_text="The disk is away.")
    assert Kind.PARKED_JOB in kinds() and Kind.FAILED_SCAN not in kinds()
    assert "The disk is away" in {item.text for item in insight.attention(Job.objects.all())}, "without its full stop"


def test_a_slave_that_signed_off_or_came_back_is_not_dead(job):
    slaves.sign_off(builders.new_slave())
    old = builders.new_slave("slave-001")
    Slave.objects.filter(pk=old.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    builders.new_slave("slave-001")
    assert Kind.DEAD_SLAVE not in kinds()
