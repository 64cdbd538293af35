"""What people are told about a job: phase, time left, freshness, and that all of it costs a few queries."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import insight, scans, transitions
from jobs.insight import Phase
from jobs.models import Job, Sample, Scan, Task
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


# ── phase and time left ───────────────────────────────────────────────────────────────────────────────────────


def test_phases_of_a_job(job, slave):
    assert insight.job_insight(job).phase is Phase.IDLE
    scan = Scan.objects.create(job=job, started_at=timezone.now())
    builders.discover(job, b"a", size=100)
    assert insight.job_insight(job).phase is Phase.SCANNING
    Scan.objects.filter(pk=scan.pk).update(finished_at=timezone.now())
    assert insight.job_insight(job).phase is Phase.WAITING
    [task] = builders.claim(slave, job)
    assert insight.job_insight(job).phase is Phase.TRANSFERRING
    Task.objects.update(copied_bytes=100)
    assert insight.job_insight(job).phase is Phase.VERIFYING
    transitions.settle(slave, [builders.ending(task)])
    assert insight.job_insight(job).phase is Phase.IDLE


@pytest.mark.parametrize("change", [{"status": "paused"}, {"parked_code": "ROOT_CHANGED"}])
def test_a_job_that_may_not_go_on_is_idle(job, slave, change):
    builders.discover(job, b"a")
    Job.objects.filter(pk=job.pk).update(**change)
    job.refresh_from_db()
    assert insight.job_insight(job).phase is Phase.IDLE


def test_without_a_slave_nothing_is_transferred(job):
    builders.discover(job, b"a")
    assert insight.job_insight(job).phase is Phase.IDLE
    assert insight.job_insight(job).eta == (None, False)


def test_time_left_is_estimated_until_the_scan_ended_and_there_is_a_speed(job, slave):
    scan = Scan.objects.create(job=job, started_at=timezone.now() - timedelta(hours=1))
    builders.discover(job, b"a", b"b", size=1000)
    Sample.objects.create(job=job, at=timezone.now() - timedelta(seconds=10), files=0, bytes=1000)
    assert insight.job_insight(job).eta.is_estimating, "the scan may find more"
    Scan.objects.filter(pk=scan.pk).update(finished_at=timezone.now())
    assert insight.job_insight(job).eta.seconds == pytest.approx(20, abs=2)
    Sample.objects.all().delete()
    assert insight.job_insight(job).eta == (None, True), "nothing to judge by"


def test_the_speed_of_a_run_that_began_just_now_is_of_what_is_over_of_it(job):
    now = timezone.now()
    Scan.objects.create(job=job, started_at=now - timedelta(seconds=6))
    Sample.objects.create(job=job, at=now - timedelta(seconds=12), files=0, bytes=600)
    assert insight.job_insight(job).speed.bytes_per_second == pytest.approx(100, rel=0.1)
    Scan.objects.update(started_at=now - timedelta(seconds=1))  # begun after those ten seconds
    assert insight.job_insight(job).speed.bytes_per_second == pytest.approx(50, rel=0.1)


@pytest.mark.parametrize(("copied", "seconds"), [(2, 10), (40, 50)])
def test_a_handful_of_files_does_not_foretell_how_long_the_others_take(job, slave, copied, seconds):
    Scan.objects.create(job=job, started_at=timezone.now() - timedelta(hours=1), finished_at=timezone.now())
    builders.discover(job, *(b"%d" % number for number in range(200)), size=5)
    Sample.objects.create(job=job, at=timezone.now() - timedelta(seconds=10), files=copied, bytes=1000)
    assert insight.job_insight(job).eta.seconds == pytest.approx(seconds, rel=0.1)


def test_failed_bytes_are_not_waited_for(job, slave):
    builders.discover(job, b"a", b"b", size=1000)
    task = builders.claim(slave, job)[0]
    transitions.settle(slave, [builders.ending(task, "failed")])
    Sample.objects.create(job=job, at=timezone.now() - timedelta(seconds=10), files=0, bytes=1000)
    assert insight.job_insight(job).eta.seconds == pytest.approx(10, abs=1)


def test_an_empty_file_that_waits_keeps_the_bar_from_100_percent(job, slave):
    big = builders.claim_one(slave, job, b"big", size=10)
    builders.discover(job, b"empty", size=0)
    transitions.settle(slave, [builders.ending(big)])
    assert insight.job_insight(job).progress.percent == 99.9


@pytest.mark.parametrize(("path", "kind"), [(b"d/", "directory"), (b"l", "symlink")])
def test_a_job_of_which_directories_or_links_wait_is_not_done(job, slave, path, kind):
    Scan.objects.create(job=job, started_at=timezone.now(), finished_at=timezone.now())
    file = builders.claim_one(slave, job, b"file", size=10)
    transitions.settle(slave, [builders.ending(file)])
    assert (insight.job_insight(job).phase, insight.job_insight(job).progress.percent) == (Phase.IDLE, 100.0)
    builders.discover(job, path, kind=kind)
    waiting = insight.job_insight(job)
    assert (waiting.phase, waiting.progress.percent) == (Phase.WAITING, 99.9)
    [task] = builders.claim(slave, job)
    under_way = insight.job_insight(job)
    assert (under_way.phase, under_way.progress.percent) == (Phase.TRANSFERRING, 99.9)
    transitions.settle(slave, [builders.ending(task)])
    assert (insight.job_insight(job).phase, insight.job_insight(job).progress.percent) == (Phase.IDLE, 100.0)


def test_a_directory_that_failed_keeps_the_bar_from_100_percent(job, slave):
    file, directory = builders.claim_one(slave, job, b"f", size=10), builders.claim_one(slave, job, b"d/", size=0)
    transitions.settle(slave, [builders.ending(file), builders.ending(directory, "failed")])
    found = insight.job_insight(job)
    assert (found.phase, found.progress.percent) == (Phase.IDLE, 99.9)


# ── freshness ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_as_fresh_as_the_start_of_its_last_scan_once_all_of_it_is_copied(job, slave):
    start = timezone.now() - timedelta(minutes=7)
    task = builders.claim_one(slave, job)
    builders.scanned(job, started_at=start)
    before = insight.job_insight(job).freshness
    assert before.synced_as_of is None
    assert before.unsynced == 1
    assert before.lag_seconds == pytest.approx(0, abs=60), "since the job was created"
    transitions.settle(slave, [builders.ending(task)])
    after = insight.job_insight(job).freshness
    assert after.synced_as_of == start
    assert after.lag_seconds == pytest.approx(420, abs=5)


def test_a_failed_file_keeps_the_moment_of_the_last_full_sync(job, slave):
    start = timezone.now() - timedelta(minutes=9)
    transitions.settle(slave, [builders.ending(builders.claim_one(slave, job))])
    builders.scanned(job, started_at=start)
    Scan.objects.create(job=job)
    scan = scans.claim("somebody", slave.machine_id)
    assert scan is not None
    bad = builders.claim_one(slave, job, b"bad")
    transitions.settle(slave, [builders.ending(bad, "failed")])
    scans.finish(scan)
    job.refresh_from_db()
    assert insight.job_insight(job).freshness.synced_as_of == start


@pytest.mark.parametrize("flaw", [{"errors": 1}, {"error_code": "SCAN_FAILED"}, {"is_preview": True}])
def test_a_scan_that_did_not_see_everything_proves_nothing(job, flaw):
    builders.scanned(job, **flaw)
    assert insight.job_insight(job).freshness.synced_as_of is None
    Scan.objects.create(job=job)
    scans.claim("somebody", "here")
    job.refresh_from_db()
    assert job.synced_as_of is None


def test_a_list_of_jobs_costs_seven_queries_however_long(django_assert_num_queries, job, slave):
    jobs = [job, *(builders.new_job() for _ in range(5))]
    for each in jobs:
        builders.discover(each, b"a", b"b")
        builders.scanned(each)
    with django_assert_num_queries(7):
        assert len(insight.look(jobs)) == 6
