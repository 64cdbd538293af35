"""Settling ends the work on a task, for whoever still owns it at that epoch and for nobody else."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from jobs import counters, slaves, transitions
from jobs.models import Checkpoint, JobEvent, Slave, Task, Upload
from jobs.sql.rows import Copied
from jobs.states import FINAL, TASK_MOVES, TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

#: What a slave may settle a task as.
SETTLED_AS = sorted({move.target for move in TASK_MOVES.values() if move.who == "slave"} - {"in_progress"})


@pytest.mark.parametrize("status", SETTLED_AS)
def test_a_settled_task_has_no_owner_any_more_and_keeps_its_epoch(job, slave, status):
    task = builders.claim_one(slave, job)
    assert transitions.settle(slave, [builders.ending(task, status)]) == {task.id}
    row = Task.objects.get()
    assert (row.status, row.owner, row.epoch, row.slave_name) == (status, None, 1, slave.name)
    assert bool(row.completed_at) == (status in FINAL)


def test_a_completed_task_remembers_both_sides(job, slave):
    task = builders.claim_one(slave, job, size=5)
    looks = {"size": 6, "source_mtime_ns": 7, "source_version": "s", "sink_size": 6, "sink_mtime_ns": 8}
    transitions.settle(slave, [builders.ending(task, **looks, sink_version="k", copied_bytes=6, compare_first=True)])
    row = Task.objects.values(*looks, "sink_version", "copied_bytes", "compare_first").get()
    assert row == {**looks, "sink_version": "k", "copied_bytes": 6, "compare_first": True}
    assert bytes(Task.objects.get().checksum) == builders.DIGEST


def test_what_is_not_said_keeps_what_the_row_has(job, slave):
    task = builders.claim_one(slave, job, size=5, mtime_ns=9, version="seen", compare_first=True)
    Task.objects.update(copied_bytes=3, sink_size=4, sink_version="old", checksum=builders.DIGEST)
    transitions.settle(slave, [builders.ending(task, "retrying")])
    row = Task.objects.get()
    assert (row.size, row.source_mtime_ns, row.source_version, row.compare_first) == (5, 9, "seen", True)
    assert (row.copied_bytes, row.sink_size, row.sink_version, bytes(row.checksum)) == (3, 4, "old", builders.DIGEST)


def test_a_stale_epoch_wins_nothing(job, slave):
    task = builders.claim_one(slave, job)
    before = Task.objects.values().get()
    totals = counters.totals(job.pk)
    stale = builders.ending(task._replace(epoch=task.epoch - 1), copied=9)
    assert transitions.settle(slave, [stale]) == set()
    assert Task.objects.values().get() == before
    assert counters.totals(job.pk) == totals


def test_another_owner_wins_nothing(job, slave):
    task = builders.claim_one(slave, job)
    assert transitions.settle(builders.new_slave(), [builders.ending(task)]) == set()
    assert Task.objects.get().owner == slave


def test_work_from_before_a_task_was_taken_back_settles_nothing_later(job, slave):
    task = builders.claim_one(slave, job)
    transitions.reap(slave)
    [again] = builders.claim(slave, job)
    assert transitions.settle(slave, [builders.ending(task)]) == set()
    assert transitions.settle(slave, [builders.ending(again)]) == {task.id}


def test_a_task_is_settled_once(job, slave):
    task = builders.claim_one(slave, job)
    assert transitions.settle(slave, [builders.ending(task)]) == {task.id}
    assert transitions.settle(slave, [builders.ending(task, "failed")]) == set()
    assert Task.objects.get().status == "completed"


def test_what_was_lost_does_not_keep_the_rest_of_the_batch(job, slave):
    kept = builders.claim_one(slave, job, b"kept")
    lost = builders.claim_one(builders.new_slave(), job, b"lost")
    assert transitions.settle(slave, [builders.ending(lost), builders.ending(kept)]) == {kept.id}


def test_an_attempt_that_was_not_the_files_fault_is_given_back(job, slave):
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task, "pending", attempts_back=1)])
    row = Task.objects.get()
    assert (row.attempts, row.epoch, row.status) == (0, 1, "pending")


def test_a_retry_waits_for_its_time_in_database_time(job, slave):
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task, "retrying", delay_seconds=60.0)])
    wait = Task.objects.get().not_before - timezone.now()
    assert timedelta(seconds=50) < wait < timedelta(seconds=70)
    assert builders.claim(slave, job) == []


def test_a_retry_without_delay_may_be_claimed_at_once(job, slave):
    task = builders.claim_one(slave, job)
    transitions.settle(slave, [builders.ending(task, "retrying", delay_seconds=0.0)])
    assert [again.epoch for again in builders.claim(slave, job)] == [2]


@pytest.mark.parametrize("status", SETTLED_AS)
def test_an_upload_is_forgotten_with_completion_and_else_kept_for_whoever_removes_the_partial(job, slave, status):
    task = builders.claim_one(slave, job)
    Upload.objects.create(task_id=task.id, token="{}")
    Checkpoint.objects.create(task_id=task.id, offset=1, sha256=builders.DIGEST)
    transitions.settle(slave, [builders.ending(task, status, has_upload=True)])
    is_kept = status != TaskStatus.COMPLETED
    assert Upload.objects.exists() == Checkpoint.objects.exists() == is_kept


def test_a_settlement_that_was_lost_leaves_the_new_owners_checkpoints(job, slave):
    task = builders.claim_one(slave, job)
    Upload.objects.create(task_id=task.id, token="{}")
    Task.objects.update(epoch=F("epoch") + 1)
    transitions.settle(slave, [builders.ending(task, has_upload=True)])
    assert Upload.objects.exists()


def test_failed_and_skipped_are_recorded_one_by_one_with_reason_and_the_rest_is_not(job, slave):
    tasks = {status: builders.claim_one(slave, job, status.encode()) for status in SETTLED_AS}
    transitions.settle(slave, [builders.ending(task, status) for status, task in tasks.items()])
    events = JobEvent.objects.values_list("action", "task_id", "actor", "reason_code", "text")
    assert sorted(events) == [
        (status, tasks[status].id, f"slave:{slave.name}", "SINK_IO_ERROR", "why") for status in ("failed", "skipped")
    ]


def test_totals_of_what_was_copied_adopted_and_resumed(job, slave):
    copied, adopted = builders.claim_one(slave, job, b"c", size=10), builders.claim_one(slave, job, b"d", size=5)
    directory = builders.claim_one(slave, job, b"e/", size=0)
    transitions.settle(
        slave,
        [
            builders.ending(copied, copied=4, resumed=6, dropped_bits=True),
            builders.ending(adopted, adopted=True),
            builders.ending(directory),
        ],
    )
    found = {name: total for name, total in counters.totals(job.pk).items() if total and "." not in name}
    assert found == {"copied": 1, "adopted": 1, "bytes_copied": 4, "bytes_resumed": 6, "dropped_bits": 1}


def test_a_file_that_grew_is_counted_with_its_new_size(job, slave):
    task = builders.claim_one(slave, job, size=10)
    transitions.settle(slave, [builders.ending(task, size=25)])
    totals = counters.totals(job.pk)
    assert (totals["file.completed.bytes"], totals["file.in_progress.bytes"]) == (25, 0)


def test_nothing_to_settle_asks_the_database_nothing(slave, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert transitions.settle(slave, []) == set()


def test_a_slave_that_was_declared_offline_still_owns_its_rows_until_they_are_reaped(job, slave):
    """The fence of a settlement is owner and epoch; the reaper raises the epoch before anybody else may claim."""
    task = builders.claim_one(slave, job)
    Slave.objects.filter(pk=slave.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    slaves.reap_dead()
    assert transitions.settle(slave, [builders.ending(task)]) == set()


@pytest.mark.parametrize("version", ["", "NULL", "None", '"', "\\", '\\"', "a,b", "{}", "'", "%s", "é\n\t", "0"])
def test_a_version_of_any_characters_is_written_as_it_is(job, slave, version):
    tasks = [builders.claim_one(slave, job, name) for name in (b"a", b"b")]
    looks = (builders.DIGEST, 1, None, version, 1, 2, version[::-1], 1, True)
    rows = [Copied(*looks, tasks[0].id, 1), Copied(*looks[:-1], False, tasks[1].id, 1)]
    assert transitions.settle_copied(slave, job.pk, rows, old_bytes=2)
    columns = ("checksum", "size", "source_mtime_ns", "source_version", "sink_size", "sink_mtime_ns", "sink_version")
    found = Task.objects.order_by("id").values_list(*columns, "copied_bytes", "compare_first")
    assert [(bytes(row[0]), *row[1:]) for row in found] == [row[:-2] for row in rows]


def test_a_file_settled_in_short_tells_when_it_was_completed(job, slave):
    task = builders.claim_one(slave, job)
    row = Copied(builders.DIGEST, 1, None, "v", 1, 2, "w", 1, False, task.id, task.epoch)
    assert transitions.settle_copied(slave, job.pk, [row], old_bytes=1)
    completed_at = Task.objects.get(pk=task.id).completed_at
    assert completed_at and abs(timezone.now() - completed_at) < timedelta(minutes=1)
