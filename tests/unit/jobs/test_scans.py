"""The life of a scan row. Each write is fenced by owner and epoch."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import parking, scans, services
from jobs.errors import Conflict
from jobs.machine import process_identity
from jobs.models import Finding, Job, JobEvent, Scan
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

HERE = "this machine"


def due_job(**fields) -> Job:
    return builders.new_job(next_scan_at=timezone.now() - timedelta(days=1), **fields)


def expire(scan: Scan) -> None:
    Scan.objects.filter(pk=scan.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def claimed(job: Job, owner: str = "a") -> Scan:
    Scan.objects.create(job=job)
    return scans.claim(owner, HERE)


def seconds_until_next(job: Job) -> float | None:
    at = Job.objects.get(pk=job.pk).next_scan_at
    return None if at is None else (at - timezone.now()).total_seconds()


def test_a_due_job_gets_one_scan_and_missed_intervals_collapse_into_it():
    job = due_job(interval=timedelta(minutes=5))
    assert [scans.request_due(), scans.request_due()] == [1, 0]
    assert Scan.objects.count() == 1
    assert 290 < seconds_until_next(job) < 310


def test_intervals_missed_during_a_long_scan_collapse_as_well():
    job = due_job(interval=timedelta(minutes=5))
    scans.request_due()
    Job.objects.update(next_scan_at=Now() - timedelta(hours=3))
    assert scans.request_due() == 0, "one is under way"
    scans.finish(scans.claim("a", HERE))
    assert [scans.request_due(), scans.request_due()] == [1, 0]
    assert 290 < seconds_until_next(job) < 310


def test_a_run_once_job_is_not_due_again():
    job = due_job()
    scans.request_due()
    assert seconds_until_next(job) is None
    scans.finish(scans.claim("a", HERE))
    assert scans.request_due() == 0


@pytest.mark.parametrize("status", ["paused", "completed", "killed"])
def test_only_running_jobs_are_due(status):
    due_job(status=status)
    assert scans.request_due() == 0


def test_a_requested_scan_is_claimed_once_with_empty_counters(job):
    Scan.objects.create(job=job, files_seen=7, errors=2)
    scan = scans.claim("a", HERE)
    assert (scan.owner, scan.epoch, scan.machine_id, scan.files_seen, scan.errors) == ("a", 1, HERE, 0, 0)
    assert scan.phase == "scanning" and scan.lease_expires_at > scan.started_at
    assert scans.claim("b", HERE) is None


def test_a_scan_whose_scheduler_died_begins_anew(job):
    first = claimed(job)
    Finding.objects.create(scan=first, verdict="error", path_display="x")
    expire(first)
    second = scans.claim("b", HERE)
    assert (second.pk, second.owner, second.epoch) == (first.pk, "b", 2)
    assert not Finding.objects.exists()


def test_a_scheduler_that_is_gone_from_this_machine_is_not_waited_for(job):
    namespace, pid, started = process_identity().split(":")
    claimed(job, owner=f"{namespace}:{pid}:{int(started) - 1}")
    assert scans.claim("b", HERE).owner == "b"


def test_a_scan_of_another_machines_directories_is_left_to_it(job):
    Job.objects.update(machine_id="another machine")
    Scan.objects.create(job=job)
    assert scans.claim("a", HERE) is None
    assert scans.claim("a", "another machine")


def test_a_paused_job_is_not_scanned_but_may_be_previewed():
    Scan.objects.create(job=builders.new_job(status="paused"))
    assert scans.claim("a", HERE) is None
    preview = Scan.objects.create(job=builders.new_job(status="paused"), is_preview=True)
    assert scans.claim("a", HERE) == preview


def test_leases_are_renewed_for_their_owner_only(job):
    scan = claimed(job)
    expire(scan)
    assert scans.renew("b", [scan.pk]) == 0
    assert scans.renew("a", [scan.pk]) == 1
    assert scans.claim("b", HERE) is None


def test_a_scan_that_was_given_back_may_be_claimed_at_once(job):
    scan = claimed(job)
    scans.give_back(scan)
    assert scans.claim("b", HERE).epoch == 2


def test_a_scan_that_was_taken_over_is_neither_finished_nor_given_back_by_its_old_owner(job):
    old = claimed(job)
    expire(old)
    new = scans.claim("b", HERE)
    assert not scans.finish(old)
    scans.give_back(old)
    assert scans.renew("a", [old.pk]) == 0
    assert Scan.objects.values_list("owner", "finished_at").get() == ("b", None)
    assert scans.finish(new)
    assert not scans.finish(new)


def test_a_finished_scan_is_recorded(job):
    scan = claimed(job)
    Scan.objects.update(files_seen=12)
    scans.finish(scan)
    assert scan.phase == "finished"
    event = JobEvent.objects.get()
    assert (event.actor, event.action, event.count, event.reason_code) == ("scheduler", "scan_done", 12, "")


def test_a_failed_scan_is_repeated_in_a_minute_or_after_the_interval_if_that_is_shorter():
    for interval, expected in ((None, 60), (timedelta(hours=1), 60), (timedelta(seconds=10), 10)):
        job = due_job(interval=interval)
        scans.request_due()
        scan = scans.claim("a", HERE)
        scans.finish(scan, error_code="SOURCE_UNREACHABLE", error_text="why")
        assert scan.phase == "failed"
        assert expected - 5 < seconds_until_next(job) <= expected


def test_a_run_once_job_with_single_errors_is_scanned_again_in_five_minutes():
    once, often = due_job(), due_job(interval=timedelta(hours=1))
    scans.request_due()
    Scan.objects.update(errors=1)
    while scan := scans.claim("a", HERE):
        Scan.objects.filter(pk=scan.pk).update(errors=1)
        scans.finish(scan)
    assert 290 < seconds_until_next(once) <= 300 < 3500 < seconds_until_next(often)


def test_scans_older_than_the_history_make_way_for_the_next_that_is_no_preview(job):
    other = builders.new_job()
    old, of_another, fresh = (scans.finish(found := claimed(made)) and found for made in (job, other, job))
    Finding.objects.create(scan=old, path_display="a", verdict="error")
    Scan.objects.filter(pk__in=[old.pk, of_another.pk]).update(finished_at=Now() - timedelta(days=91))
    Scan.objects.create(job=job, is_preview=True)
    scans.finish(scans.claim("a", HERE))
    assert Scan.objects.count() == 4
    scans.finish(claimed(job))
    assert old not in Scan.objects.all() and {of_another, fresh} < set(Scan.objects.all())
    assert Finding.objects.count() == 0


def test_a_preview_plans_nothing(job):
    Scan.objects.create(job=job, is_preview=True)
    scans.finish(scans.claim("a", HERE), error_code="SCAN_FAILED")
    assert seconds_until_next(job) is None
    assert JobEvent.objects.get().action == "preview_done"


def test_parking_is_recorded_once_and_so_is_its_end(job):
    for _ in range(2):
        parking.park(job, "ROOT_CHANGED", "why")
    assert Job.objects.values_list("status", "parked_code", "parked_text").get() == ("running", "ROOT_CHANGED", "why")
    for _ in range(2):
        parking.roots_are_in_order(job)
    assert Job.objects.values_list("parked_code", "parked_text").get() == ("", "")
    assert list(JobEvent.objects.order_by("id").values_list("action", flat=True)) == ["park", "unpark"]


def test_requested_scans_of_killed_jobs_are_closed_and_running_ones_end_by_themselves(job):
    running = claimed(builders.new_job())
    requested = Scan.objects.create(job=job)
    Job.objects.update(status="killed")
    assert scans.close_scans_of_killed_jobs() == 1
    assert Scan.objects.get(pk=requested.pk).error_code == "JOB_KILLED"
    assert Scan.objects.get(pk=running.pk).finished_at is None


def test_one_scan_at_a_time_may_be_asked_for(job):
    services.run_now(job, actor="user:ann")
    with pytest.raises(Conflict) as refused:
        services.preview(job, actor="user:bob")
    assert refused.value.code == "SCAN_UNDER_WAY"
    assert list(JobEvent.objects.values_list("actor", "action")) == [("user:ann", "run_now")]


@pytest.mark.parametrize("status", ["paused", "killed"])
def test_a_job_that_does_not_run_cannot_be_scanned_now(status):
    with pytest.raises(Conflict, match=status):
        services.run_now(builders.new_job(status=status), actor="user:ann")
    assert not Scan.objects.exists()


def test_a_completed_job_that_is_run_now_runs_again():
    job = builders.new_job(status="completed")
    services.run_now(job, actor="user:ann")
    assert Job.objects.get().status == "running"
