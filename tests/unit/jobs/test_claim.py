"""A claim takes waiting tasks of a running job, each by exactly one slave, at a new epoch and counted as an attempt."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs import claimable, services, transitions
from jobs.models import Job, Slave, Task
from jobs.states import TASK_MOVES, TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_a_claimed_task_is_the_slaves_at_a_new_epoch_and_one_attempt_further(job, slave):
    [task] = builders.discover(job, b"a", size=7)
    Task.objects.filter(pk=task).update(epoch=4, attempts=1)
    [claimed] = builders.claim(slave, job)
    expected = transitions.Claimed(task, job.pk, "file", b"a", 7, 5, 2, compare_first=False, sink_version="")
    assert claimed == expected
    row = Task.objects.get(pk=task)
    assert (row.status, row.owner, row.slave_name, row.epoch, row.attempts) == ("in_progress", slave, slave.name, 5, 2)
    assert row.started_at and type(claimed.path) is bytes


def test_a_claim_forgets_why_the_last_attempt_ended(job, slave):
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task, "retrying", delay_seconds=0.0)])
    builders.claim(slave, job)
    row = Task.objects.get()
    assert (row.reason_code, row.reason_text, row.not_before, row.completed_at) == ("", "", None, None)


@pytest.mark.parametrize("status", TaskStatus)
def test_only_waiting_tasks_are_claimed(job, slave, status):
    builders.put(job, status)
    assert bool(builders.claim(slave, job)) == (status in TASK_MOVES["claim"].sources)


def test_a_task_is_claimed_once(job, slave):
    builders.discover(job, b"a")
    assert len(builders.claim(slave, job)) == 1
    assert builders.claim(builders.new_slave(), job) == []
    assert Task.objects.get().owner == slave


@pytest.mark.parametrize("verb", [services.pause_job, services.kill_job])
def test_nothing_of_a_paused_or_killed_job_is_claimed(job, slave, verb):
    builders.discover(job, b"a")
    verb(job, actor="user:ann")
    assert builders.claim(slave, job) == []
    assert Task.objects.get().status == "pending"


def test_a_slave_that_is_not_known_claims_nothing(job, slave):
    builders.discover(job, b"a")
    slave_id = slave.pk
    slave.delete()
    slave.pk = slave_id
    assert builders.claim(slave, job) == []


@pytest.mark.parametrize("over", [{"state": "offline"}, {"lease_expires_at": "2001-01-01T00:00Z"}])
def test_a_slave_whose_incarnation_is_over_claims_nothing(job, slave, over):
    builders.discover(job, b"a")
    assert Slave.objects.update(**over) == 1
    assert builders.claim(slave, job) == []


def test_nothing_of_a_parked_job_is_claimed(job, slave):
    builders.discover(job, b"a")
    Job.objects.update(parked_code="ROOT_CHANGED")
    assert builders.claim(slave, job) == []


def test_nothing_is_claimed_before_its_time(job, slave):
    [early, late] = builders.discover(job, b"early", b"late")
    Task.objects.filter(pk=late).update(not_before=Now() + timedelta(minutes=1))
    Task.objects.filter(pk=early).update(not_before=Now() - timedelta(minutes=1))
    assert [task.id for task in builders.claim(slave, job)] == [early]


def test_a_job_that_was_not_asked_for_is_left_alone_even_if_its_task_is_named(job, slave):
    other = builders.new_job()
    [foreign] = builders.discover(other, b"a")
    assert transitions.claim_named(slave, job.pk, [foreign]) == []


@pytest.mark.parametrize(
    ("fields", "is_servable"),
    [
        ({}, True),
        ({"source_type": "archive"}, False),
        ({"sink_type": "archive"}, False),
        ({"machine_id": "another machine"}, False),
        ({"parked_code": "ROOT_CHANGED"}, False),
        ({"status": "paused"}, False),
        ({"status": "completed"}, False),
    ],
)
def test_a_slave_serves_jobs_whose_storages_it_reaches_on_its_machine(slave, fields, is_servable):
    job = builders.new_job(**fields)
    assert list(claimable.servable_jobs(slave)) == ([job] if is_servable else [])


def test_a_slave_serves_what_is_bound_to_its_own_machine(slave):
    job = builders.new_job(machine_id=slave.machine_id)
    assert list(claimable.servable_jobs(slave)) == [job]


def test_at_most_limit_tasks_are_claimed_in_the_order_asked_for(job, slave):
    ids = builders.discover(job, b"a", b"b", b"c")
    assert [task.id for task in builders.claim(slave, job, limit=2)] == ids[:2]


def test_choose_may_take_fewer_by_size_and_the_rest_stays_waiting(job, slave):
    small, big = builders.discover(job, b"a", size=10)[0], builders.discover(job, b"b", size=1 << 30)[0]

    def up_to_a_megabyte(rows):
        assert [(row.id, row.size, row.attempts) for row in rows] == [(small, 10, 0), (big, 1 << 30, 0)]
        return [row.id for row in rows if row.size < 1 << 20]

    claimed = transitions.claim_files(slave, job.pk, limit=10, choose=up_to_a_megabyte)
    assert [task.id for task in claimed] == [small]
    assert Task.objects.get(pk=big).status == "pending"


def test_choosing_nothing_claims_nothing(job, slave):
    builders.discover(job, b"a")
    assert transitions.claim_files(slave, job.pk, limit=9, choose=lambda rows: []) == []


def test_the_number_of_statements_does_not_grow_with_the_batch(job, slave, django_assert_max_num_queries):
    builders.discover(job, *(b"%03d" % number for number in range(300)))
    with django_assert_max_num_queries(7):  # savepoint, share lock, lease, select, update, totals, release
        assert len(transitions.claim_files(slave, job.pk, limit=1000)) == 300


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer, whose transaction is the lock")
def test_a_claim_holds_the_job_under_a_share_lock(job, slave, django_assert_max_num_queries):
    builders.discover(job, b"a")
    with django_assert_max_num_queries(9) as queries:
        transitions.claim_files(slave, job.pk, limit=9)
    statements = [query["sql"] for query in queries.captured_queries]
    [lock] = [index for index, text in enumerate(statements) if "FOR SHARE" in text]
    [select] = [index for index, text in enumerate(statements) if "SKIP LOCKED" in text]
    assert lock < select and "jobs_job" in statements[lock]
