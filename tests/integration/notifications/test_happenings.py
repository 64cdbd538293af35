"""What is told of a job, and how often: once when it begins, once when all is well again."""

import json
import threading

import pytest
from django.db.models.functions import Now

from jobs import parking, services, troubles, upkeep
from jobs.models import Job, JobEvent, Notification, Scan
from jobs.parking import Lack
from tests.unit.jobs import builders
from transfers.broker.database import DatabaseBroker
from transfers.scheduler.scheduler import Scheduler

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    rows = Notification.objects.filter(channel="everybody").order_by("created_at")
    return [json.loads(payload)["type"] for payload in rows.values_list("payload", flat=True)]


def finish_a_scan(job: Job, **facts) -> None:
    Scan.objects.create(job=job, started_at=Now(), finished_at=Now(), **facts)


def fail_a_file(job: Job, path: bytes = b"a") -> None:
    slave = builders.new_slave()
    builders.transitions.settle(slave, [builders.ending(builders.claim_one(slave, job, path), "failed")])


def mend(job: Job) -> None:
    services.retry_failed(job, actor="user:ann")
    slave = builders.new_slave()
    builders.transitions.settle(slave, [builders.ending(task) for task in builders.claim(slave, job)])


def test_a_job_is_told_to_fail_at_its_first_failed_file_and_well_when_all_are_there(job):
    finish_a_scan(job)
    assert troubles.watch() == 0 and told() == []
    fail_a_file(job, b"a")
    fail_a_file(job, b"b")
    assert [troubles.watch(), troubles.watch()] == [1, 0]
    assert told() == ["job.failing"]
    data = json.loads(Notification.objects.get().payload)["data"]
    assert (data["reason_code"], data["failed"], data["files"]) == ("SINK_IO_ERROR", 2, 2)
    mend(job)
    assert [troubles.watch(), troubles.watch()] == [1, 0]
    assert told() == ["job.failing", "job.recovered"]
    assert set(JobEvent.objects.values_list("action", flat=True)) >= {"failing", "recovered"}


def test_a_file_that_fails_at_every_scan_is_told_once(job):
    finish_a_scan(job)
    fail_a_file(job)
    troubles.watch()
    services.retry_failed(job, actor="scan")  # as a scan does with environmental reasons
    troubles.watch()  # it waits: nobody knows yet
    slave = builders.new_slave()
    builders.transitions.settle(slave, [builders.ending(task, "failed") for task in builders.claim(slave, job)])
    troubles.watch()
    assert told() == ["job.failing"]


@pytest.mark.parametrize("facts", [{"error_code": "SCAN_FAILED", "error_text": "why"}, {"errors": 1}])
def test_a_scan_that_fails_or_cannot_read_everything_is_told_until_one_goes_through(job, facts):
    finish_a_scan(job, **facts)
    assert [troubles.watch(), troubles.watch()] == [1, 0]
    Scan.objects.create(job=job)  # under way: nobody knows yet
    assert troubles.watch() == 0
    Scan.objects.filter(finished_at=None).update(finished_at=Now())
    assert troubles.watch() == 1
    assert told() == ["job.failing", "job.recovered"]


def test_parking_is_told_once_until_all_is_well(job):
    finish_a_scan(job)
    for _ in range(2):
        parking.park(job, "ROOT_CHANGED", "Is its disk mounted?")
        parking.roots_are_in_order(job)
        parking.park_full(job, Lack("SINK_NO_SPACE", "a", 5), actor="slave:s")
        parking.try_again(job, actor="user:ann")
    assert told() == ["job.parked"]
    assert troubles.watch() == 1 and told() == ["job.parked", "job.recovered"]
    parking.park(job, "ROOT_CHANGED", "Again?")
    assert troubles.watch() == 0 and told() == ["job.parked", "job.recovered", "job.parked"]


def test_parking_and_the_note_of_it_are_one_transaction(job, monkeypatch):
    monkeypatch.setattr(troubles, "tell", lambda *arguments, **facts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        parking.park(job, "ROOT_CHANGED", "Is its disk mounted?")
    job.refresh_from_db()
    assert job.parked_code == "" and not JobEvent.objects.exists()


def test_completion_and_the_note_of_it_are_one_transaction(job, monkeypatch):
    finish_a_scan(job)
    with monkeypatch.context() as broken:
        broken.setattr(upkeep, "tell", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upkeep.complete_finished()
    assert Job.objects.get().status == "running"
    assert upkeep.complete_finished() == 1 and told() == ["job.completed"]


def test_of_paused_and_killed_jobs_nothing_is_told(job):
    fail_a_file(job)
    services.pause_job(job, actor="user:ann")
    assert troubles.watch() == 0
    services.kill_job(job, actor="user:ann")
    assert troubles.watch() == 0 and told() == []


def test_watching_costs_two_queries_however_many_jobs(db, django_assert_num_queries):
    for _ in range(20):
        finish_a_scan(builders.new_job())
    with django_assert_num_queries(2):
        troubles.watch()


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_hangs_does_not_keep_the_scheduler(receiver, job):
    asked = threading.Event()

    def hang(handler) -> None:
        asked.set()
        receiver.let_go.wait(20)

    receiver.answers = [hang]
    parking.park(job, "ROOT_CHANGED", "why")
    with DatabaseBroker() as broker:
        scheduler = Scheduler(broker)
        scheduler.turn()
        assert asked.wait(10)
        for _ in range(3):
            scheduler.turn()
        # Had a turn waited, the delivery would be over.
        assert [thread.name for thread in threading.enumerate()].count("notifications") == 1
        receiver.let_go.set()
        scheduler._close()
    assert len(receiver.requests) == 1
