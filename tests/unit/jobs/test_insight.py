"""What people are told about a job: phase, speed, time left, freshness, failures, what needs attention."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import insight, samples, scans, slaves, transitions, upkeep
from jobs.insight import Phase
from jobs.insight.attention import Kind
from jobs.models import Job, Sample, Scan, Slave, Task
from jobs.samples import Moved
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def scanned(job, **fields) -> Scan:
    values = {"started_at": timezone.now(), "finished_at": timezone.now()}
    return Scan.objects.create(job=job, **{**values, **fields})


# ── speed ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── phase and time left ───────────────────────────────────────────────────────────────────────────────────────


def test_phases_of_a_job(job, slave):
    assert insight.job_insight(job).phase is Phase.IDLE
    scan = Scan.objects.create(job=job, started_at=timezone.now())
    builders.discover(job, b"a", size=100)
    assert insight.job_insight(job).phase is Phase.SCANNING
    Scan.objects.filter(pk=scan.pk).update(finished_at=timezone.now())
    assert insight.job_insight(job).phase is Phase.TRANSFERRING
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
    assert (waiting.phase, waiting.progress.percent) == (Phase.TRANSFERRING, 99.9)
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
    scanned(job, started_at=start)
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
    scanned(job, started_at=start)
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
    scanned(job, **flaw)
    assert insight.job_insight(job).freshness.synced_as_of is None
    Scan.objects.create(job=job)
    scans.claim("somebody", "here")
    job.refresh_from_db()
    assert job.synced_as_of is None


# ── what is under way, and what went wrong ────────────────────────────────────────────────────────────────────


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
    scan = scanned(job, error_code="ROOT_MISSING", error_text="It is gone.")
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
    Job.objects.filter(pk=job.pk).update(parked_code="ROOT_CHANGED", parked_text="The disk is away")
    scanned(job, error_code="ROOT_CHANGED", error_text="The disk is away.")
    assert Kind.PARKED_JOB in kinds() and Kind.FAILED_SCAN not in kinds()


def test_a_slave_that_signed_off_or_came_back_is_not_dead(job):
    slaves.sign_off(builders.new_slave())
    old = builders.new_slave("slave-001")
    Slave.objects.filter(pk=old.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    builders.new_slave("slave-001")
    assert Kind.DEAD_SLAVE not in kinds()


def test_a_list_of_jobs_costs_seven_queries_however_long(django_assert_num_queries, job, slave):
    jobs = [job, *(builders.new_job() for _ in range(5))]
    for each in jobs:
        builders.discover(each, b"a", b"b")
        scanned(each)
    with django_assert_num_queries(7):
        assert len(insight.look(jobs)) == 6
