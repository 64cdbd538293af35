"""Hints for what is due, as many as the live workers will soon want, again when one seems lost."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import services, slaves, transitions
from jobs.batches import BIG_FILE_BYTES
from jobs.models import Task
from tests.unit.jobs import builders
from transfers.broker.base import Delivery
from transfers.broker.database import DatabaseBroker
from transfers.broker.memory import MemoryBroker
from transfers.scheduler.publisher import HINTS_PER_WORKER, STALE_SECONDS, Publisher
from transfers.slave import claims

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker():
    with MemoryBroker() as broker:
        yield broker


@pytest.fixture
def publisher(broker) -> Publisher:
    return Publisher(broker)


@pytest.fixture
def job(db):
    return builders.new_job()


def received(broker) -> list[tuple[int, ...]]:
    """All hints that wait, taken out."""
    broker.start_consuming()
    hints = []
    while isinstance(delivery := broker.receive(), Delivery):
        hints.append(delivery.hint.task_ids)
        broker.ack(delivery)
    broker.pause_consuming()
    broker.resume_consuming()
    return hints


@pytest.fixture
def clock(monkeypatch):
    """What the publisher takes for the time goes on only when told: `clock(seconds)`."""
    now = [1000.0]
    monkeypatch.setattr("transfers.scheduler.publisher.time.monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_what_is_due_is_published_once_in_one_message_where_it_is_small(job, publisher, broker):
    ids = builders.discover(job, b"a", b"b", b"c")
    assert [publisher.publish(), publisher.publish()] == [1, 0]
    assert received(broker) == [tuple(ids)]


def test_a_big_file_travels_alone(job, publisher, broker):
    small, *_ = builders.discover(job, b"a")
    big, *_ = builders.discover(job, b"b", size=BIG_FILE_BYTES)
    assert publisher.publish() == 2
    assert received(broker) == [(small,), (big,)]


def test_nothing_is_published_that_no_claim_would_take(job, publisher, broker):
    due, later = builders.discover(job, b"due", b"later")
    Task.objects.filter(pk=later).update(not_before=Now() + timedelta(minutes=1))
    builders.discover(job, b"directory/")
    for status in ("in_progress", "completed", "failed", "skipped", "cancelled"):
        builders.put(job, status, status.encode())
    for fields in ({"status": "paused"}, {"status": "killed"}, {"parked_code": "ROOT_CHANGED"}):
        builders.discover(builders.new_job(**fields), b"a")
    publisher.publish()
    assert received(broker) == [(due,)]


def test_the_queue_holds_a_few_hints_per_live_worker_and_is_filled_up_when_they_are_taken(job, publisher, broker):
    builders.new_slave(concurrency=2)
    builders.discover(job, *(b"%02d" % number for number in range(20)), size=BIG_FILE_BYTES)
    room = 2 * HINTS_PER_WORKER
    assert [publisher.publish(), publisher.publish()] == [room, 0]
    broker.start_consuming()
    broker.ack(broker.receive())
    assert broker.pending() == room - 2, "one is done, the next is delivered"
    assert publisher.publish() == 2


def test_without_a_slave_there_is_room_for_one_worker(job, publisher):
    builders.discover(job, *(b"%02d" % number for number in range(20)), size=BIG_FILE_BYTES)
    assert publisher.publish() == HINTS_PER_WORKER


def test_dead_slaves_make_no_room(job, publisher):
    for _ in range(3):
        slaves.sign_off(builders.new_slave(concurrency=8))
    builders.discover(job, *(b"%02d" % number for number in range(20)), size=BIG_FILE_BYTES)
    assert publisher.publish() == HINTS_PER_WORKER


def test_a_small_job_does_not_wait_behind_a_large_one(publisher, broker):
    large, small = builders.new_job(), builders.new_job()
    builders.discover(large, *(b"%02d" % number for number in range(20)), size=BIG_FILE_BYTES)
    [wanted] = builders.discover(small, b"a")
    publisher.publish()
    assert (wanted,) in received(broker)


def test_what_still_waits_while_the_queue_is_empty_is_published_again_after_a_while(job, publisher, broker, clock):
    ids = builders.discover(job, b"a")
    publisher.publish()
    received(broker)
    clock(STALE_SECONDS - 5)
    assert publisher.publish() == 0
    clock(6)
    assert publisher.publish() == 1
    assert received(broker) == [tuple(ids)]


def test_while_others_wait_in_the_queue_a_message_is_given_more_time(job, publisher, clock):
    builders.discover(job, b"a")
    publisher.publish()
    clock(STALE_SECONDS + 1)
    assert publisher.publish() == 0
    clock(9 * STALE_SECONDS)
    assert publisher.publish() == 1


def test_a_task_that_came_back_is_left_to_slaves_that_look_and_published_again_after_a_while(
    job, publisher, broker, clock
):
    ids = builders.discover(job, b"a")
    publisher.publish()
    received(broker)
    slave = builders.new_slave()
    [task] = builders.claim(slave, job)
    transitions.settle(slave, [builders.ending(task, "retrying", delay_seconds=0.0)])
    assert publisher.publish() == 0 and claims.Claims(slave).next() is not None
    Task.objects.update(status="pending", owner=None)
    clock(STALE_SECONDS + 1)
    assert publisher.publish() == 1 and received(broker) == [tuple(ids)]


def test_directories_of_which_nothing_else_is_left_are_hinted_at_once(job, publisher, broker):
    builders.discover(job, b"d/", b"d/a")
    publisher.publish()
    received(broker)
    slave = builders.new_slave()
    [task] = transitions.claim_files(slave, job.pk, limit=9)
    assert publisher.publish() == 0
    transitions.settle(slave, [builders.ending(task)])
    assert [publisher.publish(), publisher.publish()] == [1, 0]
    directory = Task.objects.get(kind="directory")
    assert received(broker) == [(directory.pk,)]
    assert claims.Claims(slave).named([directory.pk]) == [] and len(claims.Claims(slave).next().tasks) == 1


def test_a_broker_that_is_gone_costs_nothing_but_time(job, broker, caplog):
    builders.discover(job, b"a")
    publisher = Publisher(broker)
    broker.close()
    assert [publisher.publish(), publisher.publish()] == [0, 0]
    assert len(caplog.records) == 1, "it is said once"


def test_a_broker_that_says_look_in_the_database_gets_nothing(job):
    builders.discover(job, b"a")
    with DatabaseBroker() as broker:
        assert Publisher(broker).publish() == 0


def test_a_paused_job_is_published_again_when_it_goes_on(job, publisher, broker):
    builders.discover(job, b"a")
    services.pause_job(job, actor="user:ann")
    assert publisher.publish() == 0
    services.resume_job(job, actor="user:ann")
    assert publisher.publish() == 1
