"""The scheduler takes back what dead slaves owned and cancels what killed jobs left; operators retry."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from jobs import services, transitions, upkeep
from jobs.errors import Conflict
from jobs.models import Job, JobEvent, Task
from jobs.states import TASK_MOVES, WAITING, TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_what_a_dead_slave_owned_is_retried_at_a_new_epoch(job, slave):
    task = builders.claim_one(slave, job)
    assert transitions.reap(slave) == 1
    row = Task.objects.get()
    assert (row.status, row.owner, row.epoch, row.attempts) == ("retrying", None, task.epoch + 1, 1)
    assert (row.reason_code, row.not_before) == ("LEASE_EXPIRED", None)
    assert [again.epoch for again in builders.claim(builders.new_slave(), job)] == [3]


def test_a_file_that_killed_its_slave_as_often_as_allowed_has_failed(job, slave):
    task = builders.claim_one(slave, job)
    Task.objects.update(attempts=job.max_attempts)
    transitions.reap(slave)
    row = Task.objects.get()
    assert (row.status, row.epoch, row.reason_code) == ("failed", task.epoch + 1, "LEASE_EXPIRED")
    assert row.completed_at


def test_a_file_that_kills_every_slave_fails_after_max_attempts_claims(job):
    builders.discover(job, b"poison")
    for attempt in range(1, job.max_attempts + 1):
        slave = builders.new_slave()
        assert [task.attempts for task in builders.claim(slave, job)] == [attempt]
        transitions.reap(slave)
    assert Task.objects.get().status == "failed"
    assert builders.claim(builders.new_slave(), job) == []


def test_only_the_dead_slaves_tasks_are_taken_back(job, slave):
    mine, other = builders.claim_one(slave, job, b"mine"), builders.claim_one(builders.new_slave(), job, b"other")
    transitions.reap(slave)
    assert dict(Task.objects.values_list("id", "status")) == {mine.id: "retrying", other.id: "in_progress"}


def test_reaping_goes_on_in_batches_until_nothing_is_left(job, slave, monkeypatch):
    monkeypatch.setattr("jobs.transitions.reaping.BATCH_TASKS", 2)
    builders.discover(job, b"a", b"b", b"c")
    builders.claim(slave, job)
    assert [transitions.reap(slave) for _ in range(3)] == [2, 1, 0]


def test_one_reaping_is_one_event_per_job(job, slave):
    builders.discover(job, b"a", b"b")
    builders.claim(slave, job)
    builders.claim_one(slave, builders.new_job())
    transitions.reap(slave)
    events = JobEvent.objects.values_list("job_id", "actor", "action", "count", "reason_code")
    assert (job.pk, "scheduler", "reap", 2, "LEASE_EXPIRED") in events and len(events) == 2


@pytest.mark.parametrize("status", TaskStatus)
def test_waiting_tasks_of_a_killed_job_are_cancelled_and_nothing_else(job, status):
    builders.put(job, status)
    services.kill_job(job, actor="user:ann")
    assert upkeep.cancel_killed() == (status in WAITING)
    row = Task.objects.get()
    if status in WAITING:
        assert (row.status, row.reason_code) == ("cancelled", "JOB_KILLED")
    else:
        assert row.status == status


@pytest.mark.parametrize("status", ["running", "paused", "completed"])
def test_nothing_of_a_living_job_is_cancelled(status):
    job = builders.new_job(status=status)
    builders.put(job, "pending")
    assert upkeep.cancel_killed() == transitions.cancel_batch(job) == 0


def test_a_cancellation_is_one_event_per_batch(job, monkeypatch):
    monkeypatch.setattr("jobs.transitions.batches.BATCH_TASKS", 2)
    builders.discover(job, b"a", b"b", b"c")
    services.kill_job(job, actor="user:ann")
    assert [upkeep.cancel_killed() for _ in range(3)] == [2, 1, 0]
    assert sorted(JobEvent.objects.filter(action="cancel").values_list("count", flat=True)) == [1, 2]


@pytest.mark.parametrize("status", TaskStatus)
def test_retry_takes_failed_and_skipped_tasks_and_no_others(job, status):
    task = builders.put(job, status, attempts=5, epoch=7)
    count = services.retry_task(task, actor="user:ann")
    assert count == (status in TASK_MOVES["retry"].sources)
    row = Task.objects.get(pk=task.pk)
    if count:
        assert (row.status, row.attempts, row.epoch, row.reason_code) == ("pending", 0, 7, "")
        assert JobEvent.objects.filter(action="retry", actor="user:ann", count=1).count() == 1
    else:
        assert (row.status, row.attempts) == (status, 5)


def test_what_is_gone_or_cannot_be_copied_at_all_is_not_retried(job):
    builders.put(job, "failed", b"gone", gone_at="2026-01-01T00:00:00Z")
    builders.put(job, "skipped", b"fifo", kind="special")
    assert services.retry_failed(job, actor="user:ann") == 0


def test_a_retry_of_a_completed_job_makes_it_run_again():
    job = builders.new_job(status="completed")
    builders.put(job, "failed")
    assert services.retry_failed(job, actor="user:ann") == 1
    assert Job.objects.get().status == "running"


def test_a_retry_that_finds_nothing_leaves_a_completed_job_completed():
    job = builders.new_job(status="completed")
    assert services.retry_failed(job, actor="user:ann") == 0
    assert Job.objects.get().status == "completed"


def test_nothing_of_a_killed_job_is_retried():
    job = builders.new_job(status="killed")
    builders.put(job, "failed")
    with pytest.raises(Conflict, match="killed"):
        services.retry_failed(job, actor="user:ann")


def test_directories_that_are_done_get_their_times_again(job):
    builders.put(job, "completed", b"d/", attempts=2), builders.put(job, "failed", b"e/")
    assert transitions.revisit_directories(job.pk, [b"d/", b"e/", b"f/"]) == 1
    assert sorted(Task.objects.values_list("status", "attempts")) == [("failed", 0), ("pending", 0)]


def test_epochs_only_rise(job, slave):
    epochs = []
    builders.discover(job, b"a")
    for status in ("retrying", "pending", "failed"):
        [task] = builders.claim(slave, job)
        epochs.append(task.epoch)
        transitions.settle(slave, [builders.ending(task, status, delay_seconds=0.0)])
    services.retry_failed(job, actor="user:ann")
    builders.claim(slave, job)
    transitions.reap(slave)
    epochs.append(Task.objects.get().epoch)
    assert epochs == [1, 2, 3, 5]


def test_a_row_that_moved_on_meanwhile_is_not_taken_back(job, slave):
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task)])
    Task.objects.update(epoch=F("epoch"))
    assert transitions.reap(slave) == 0
    assert Task.objects.get().status == "completed"


def test_a_slave_lets_go_of_a_claim_whose_answer_it_never_heard(job, slave):
    held, lost = builders.claim_one(slave, job, b"held"), builders.claim_one(slave, job, b"lost")
    assert transitions.let_go(slave, {held.id}) == 1
    row = Task.objects.get(pk=lost.id)
    assert (row.status, row.owner, row.epoch, row.attempts) == ("pending", None, lost.epoch + 1, 0)
    assert Task.objects.get(pk=held.id).owner == slave
    assert transitions.let_go(slave, {held.id}) == 0


def test_a_retry_takes_a_job_along_that_was_completed_in_the_meantime(job, slave):
    """The caller's job object is older than its row."""
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task, "failed", reason_code="SINK_IO_ERROR")])
    assert job.status == "running"
    Job.objects.filter(pk=job.pk).update(status="completed")
    assert services.retry_failed(job, actor="user:x") == 1
    assert Job.objects.get(pk=job.pk).status == "running"


def test_a_retry_ends_while_slaves_see_the_same_files_fail_again(job, monkeypatch):
    """What can't succeed fails within milliseconds: several slaves are quicker than a retry of many."""
    builders.put(job, "failed", b"a"), builders.put(job, "failed", b"b", completed_at="2026-01-01T00:00:00Z")
    retry_batch, batches, later = transitions.retry_batch, [], Now() + timedelta(seconds=1)

    def retry_and_fail(tasks, *, actor):
        batches.append(retry_batch(tasks, actor=actor))
        assert len(batches) < 5, "no end is in sight"
        Task.objects.update(status="failed", reason_code="SINK_KIND_CONFLICT", completed_at=later)
        return batches[-1]

    monkeypatch.setattr(transitions, "retry_batch", retry_and_fail)
    assert services.retry_failed(job, actor="user:ann") == 2
    assert batches == [2, 0]
