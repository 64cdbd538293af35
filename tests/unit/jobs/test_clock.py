"""A clock that was set back holds nothing up."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import clock, leases, scans, services
from jobs.models import Job, Lease, Scan, Slave, Task
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

A_YEAR = Now() + timedelta(days=365)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("interval", [HOUR, None])
def test_a_job_is_scanned_though_its_next_scan_lay_a_year_ahead(interval):
    job = builders.new_job(interval=interval)
    Job.objects.update(next_scan_at=A_YEAR)
    assert scans.request_due() == 0
    assert clock.bring_back() == 1
    assert scans.request_due() == 1
    assert Scan.objects.get().job == job


def test_a_dead_slave_is_one_within_a_minute_though_its_lease_lay_a_year_ahead(job):
    slave = builders.new_slave()
    builders.claim_one(slave, job)
    Slave.objects.update(lease_expires_at=A_YEAR, process="elsewhere")
    assert clock.bring_back() == 1
    in_a_minute = Now() + timedelta(seconds=60)
    assert Slave.objects.filter(pk=slave.pk, lease_expires_at__lte=in_a_minute, lease_expires_at__gt=Now()).exists()


def test_a_file_is_tried_again_though_its_next_try_lay_a_year_ahead(job):
    builders.put(job, "retrying", not_before=Now() + timedelta(days=365))
    assert clock.bring_back() == 1
    assert Task.objects.get().not_before is None


def test_a_full_sink_is_looked_at_again(job):
    Job.objects.update(parked_code="SINK_NO_SPACE", parked_until=A_YEAR)
    assert clock.bring_back() == 1


def test_another_scheduler_leads_though_the_lease_of_a_dead_one_lay_a_year_ahead():
    assert leases.acquire("scheduler", "elsewhere")
    assert not leases.acquire("scheduler", "here")
    Lease.objects.update(expires_at=A_YEAR)
    assert leases.acquire("scheduler", "here")


def test_what_lies_ahead_as_it_should_is_left_alone(job):
    slave = builders.new_slave()
    builders.claim_one(slave, job)
    builders.put(job, "retrying", b"b", not_before=Now() + HOUR)
    services.run_now(job, actor="user:me")
    assert scans.claim("scheduler", "here")
    often = builders.new_job(interval=HOUR)
    Job.objects.filter(pk=often.pk).update(next_scan_at=Now() + HOUR)
    Job.objects.filter(pk=job.pk).update(parked_code="SINK_NO_SPACE", parked_until=Now() + timedelta(seconds=30))
    assert clock.bring_back() == 0
