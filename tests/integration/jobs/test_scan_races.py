"""A scan's writes against who takes it over and who kills its job, from several connections."""

import pytest
from django.db import transaction

from jobs import scans, services
from jobs.models import Job, Scan
from tests.integration.jobs.test_claim_races import Beside
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scan() -> Scan:
    services.run_now(builders.new_job(), actor="user:ann")
    return scans.claim("first", "here")


def take_over(scan: Scan) -> None:
    scans.give_back(scan)
    assert scans.claim("second", "here")


def kill(scan: Scan) -> None:
    services.kill_job(Job.objects.get(pk=scan.job_id), actor="user:ann")


def test_a_scan_holds_its_row_while_it_is_its_own(scan):
    assert scans.hold(scan, {"files_seen": 7})
    assert Scan.objects.get().files_seen == 7


@pytest.mark.parametrize("end", [take_over, kill])
def test_it_does_not_once_it_is_taken_over_or_its_job_killed(scan, end):
    end(scan)
    assert not scans.hold(scan, {"files_seen": 7})
    assert Scan.objects.get().files_seen == 0


def test_who_waited_for_a_take_over_under_way_does_not_hold_it(scan):
    with transaction.atomic():
        take_over(scan)
        beside = Beside(lambda: scans.hold(scan, {"files_seen": 7}))
        beside.join(0.3)
        assert beside.is_alive()
    assert not beside.get()
    assert Scan.objects.get().files_seen == 0
