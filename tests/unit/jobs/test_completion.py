"""Only the scheduler's tick completes a run-once job, and only when nothing at all is left to do."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import upkeep
from jobs.models import Job, JobEvent, Scan
from jobs.states import ACTIVE, TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def done(job) -> Job:
    """A job of which nothing is left to do."""
    scanned(job)
    builders.put(job, "completed", b"a")
    builders.put(job, "completed", b"d/", checksum=None)
    return job


def scanned(job: Job, **fields) -> Scan:
    return Scan.objects.create(job=job, started_at=timezone.now(), finished_at=timezone.now(), **fields)


def is_completed(job: Job) -> bool:
    upkeep.complete_finished()
    return Job.objects.get(pk=job.pk).status == "completed"


def test_a_run_once_job_that_is_through_is_completed_and_recorded(done):
    assert is_completed(done)
    assert JobEvent.objects.values_list("actor", "action").get() == ("scheduler", "complete")
    assert upkeep.complete_finished() == 0


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("path", [b"x", b"x/"])
def test_a_task_that_is_not_final_keeps_it_open_be_it_file_or_directory(done, status, path):
    builders.put(done, status, path)
    assert is_completed(done) == (status not in ACTIVE)


def test_a_job_with_an_interval_is_never_completed(done):
    Job.objects.update(interval=timedelta(hours=1))
    assert not is_completed(done)


@pytest.mark.parametrize("status", ["paused", "killed"])
def test_a_job_that_does_not_run_stays_what_it_is(done, status):
    Job.objects.update(status=status)
    assert not is_completed(done)


def test_a_job_that_was_never_scanned_is_not_done(job):
    assert not is_completed(job)


def test_a_preview_is_no_scan(job):
    scanned(job, is_preview=True)
    assert not is_completed(job)


@pytest.mark.parametrize("fields", [{"error_code": "SCAN_FAILED"}, {"errors": 1}])
def test_the_last_scan_must_have_seen_everything(done, fields):
    scanned(done, **fields)
    assert not is_completed(done)
    scanned(done)
    assert is_completed(done)


def test_a_preview_after_the_last_scan_does_not_matter(done):
    scanned(done, is_preview=True, error_code="SCAN_FAILED")
    assert is_completed(done)


def test_a_scan_that_is_requested_or_under_way_keeps_it_open(done):
    Scan.objects.create(job=done)
    assert not is_completed(done)


def test_a_scan_that_is_still_to_come_keeps_it_open(done):
    Job.objects.update(next_scan_at=Now() + timedelta(minutes=5))
    assert not is_completed(done)
