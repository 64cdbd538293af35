"""What a scan writes: new paths, changed ones, those that are gone and those that are back."""

import itertools

import pytest
from django.db import IntegrityError

from jobs import counters, transitions
from jobs.models import JobEvent, Task
from jobs.states import TASK_MOVES, WAITING, TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def test_new_paths_become_rows_and_totals(job):
    rows = [
        builders.new_row(b"a", size=3),
        builders.new_row(b"d/", size=0),
        builders.new_row(b"p", kind="special", status="skipped", size=0, reason_code="SPECIAL_FILE"),
    ]
    assert transitions.discover(job.pk, rows) == 3
    assert {name: total for name, total in counters.totals(job.pk).items() if total} == {
        "file.pending": 1,
        "file.pending.bytes": 3,
        "directory.pending": 1,
        "special.skipped": 1,
    }
    assert not JobEvent.objects.exists()


def test_a_row_of_every_byte_comes_back_as_it_was(job):
    path = bytes(range(1, 256)).replace(b"/", b"")
    builders.discover(job, path, mtime_ns=-1, size=1 << 50, version="1:2")
    row = Task.objects.get()
    assert bytes(row.path) == path
    assert (row.size, row.source_mtime_ns, row.source_version, row.epoch, row.attempts) == (1 << 50, -1, "1:2", 0, 0)


def test_paths_that_have_a_row_are_left_alone_and_the_others_are_inserted(job, slave):
    held = builders.claim_one(slave, job, b"b", size=2)
    before = Task.objects.values().get(pk=held.id)
    assert transitions.discover(job.pk, [builders.new_row(path, size=9) for path in (b"a", b"b", b"c")]) == 2
    assert Task.objects.values().get(pk=held.id) == before
    totals = counters.totals(job.pk)
    assert (totals["file.pending"], totals["file.pending.bytes"], totals["file.in_progress.bytes"]) == (2, 18, 2)


def test_a_row_the_database_refuses_for_another_reason_is_an_error_and_not_swallowed(job):
    rows = [builders.new_row(b"a"), builders.new_row(b"b", status="skipped", reason_code="")]
    with pytest.raises(IntegrityError):
        transitions.discover(job.pk, rows)


def test_the_number_of_statements_does_not_grow_with_the_batch(job, django_assert_max_num_queries):
    rows = [builders.new_row(b"%04d" % number) for number in range(1000)]
    with django_assert_max_num_queries(4):  # savepoint, rows, totals, release
        transitions.discover(job.pk, rows)


@pytest.mark.parametrize("status", sorted(TASK_MOVES["rediscover"].sources))
def test_a_changed_path_starts_anew(job, status):
    task = builders.put(job, status, attempts=5, epoch=3, copied_bytes=1)
    Task.objects.update(not_before="2100-01-01T00:00:00Z", gone_at="2026-01-01T00:00:00Z")
    change = builders.seen(task, size=9, mtime_ns=8, version="v9", compare_first=True)
    assert transitions.rediscover(job.pk, [change]) == 1
    row = Task.objects.get()
    assert (row.status, row.size, row.source_mtime_ns, row.source_version) == ("pending", 9, 8, "v9")
    assert (row.attempts, row.epoch, row.copied_bytes, row.compare_first) == (0, 3, 0, True)
    assert (row.not_before, row.gone_at, row.reason_code) == (None, None, "")


@pytest.mark.parametrize(("status", "expected"), list(itertools.permutations(TaskStatus, 2)))
def test_a_row_that_moved_on_since_it_was_read_is_left_alone(job, status, expected):
    task = builders.put(job, status)
    before = Task.objects.values().get()
    assert transitions.rediscover(job.pk, [builders.seen(task, expected=expected.value)]) == 0
    assert Task.objects.values().get() == before
    assert not any(counters.totals(job.pk).values())


def test_a_path_that_became_something_else_is_counted_under_its_new_kind(job, slave):
    task = builders.claim_one(slave, job, size=10)
    transitions.settle(slave, [builders.ending(task)])
    row = Task.objects.get()
    transitions.rediscover(job.pk, [builders.seen(row, kind="symlink", size=4)])
    totals = {name: total for name, total in counters.totals(job.pk).items() if total and "." in name}
    assert totals == {"symlink.pending": 1, "symlink.pending.bytes": 4}


def test_a_file_that_became_a_fifo_is_skipped_with_its_reason(job):
    task = builders.put(job, "completed")
    change = builders.seen(task, kind="special", status="skipped", reason_code="SPECIAL_FILE", reason_text="why")
    transitions.rediscover(job.pk, [change])
    row = Task.objects.get()
    assert (row.status, row.kind, row.reason_code, row.reason_text) == ("skipped", "special", "SPECIAL_FILE", "why")


@pytest.mark.parametrize("status", TaskStatus)
def test_what_is_gone_is_marked_and_what_waited_is_skipped(job, status):
    task = builders.put(job, status)
    transitions.mark_gone(job.pk, [task.pk])
    row = Task.objects.get(pk=task.pk)
    if status in WAITING:
        assert (row.status, row.reason_code) == ("skipped", "SOURCE_GONE")
    else:
        assert row.status == status
    assert row.gone_at


def test_when_it_was_first_seen_missing_stays(job):
    task = builders.put(job, "completed", gone_at="2026-01-01T00:00:00Z")
    transitions.mark_gone(job.pk, [task.pk])
    assert Task.objects.get().gone_at.year == 2026 and Task.objects.get().gone_at.month == 1


def test_what_is_gone_in_one_job_is_not_touched_in_another(job):
    other = builders.put(builders.new_job(), "pending")
    transitions.mark_gone(job.pk, [builders.put(job, "pending").pk])
    assert Task.objects.get(pk=other.pk).status == "pending"


def test_what_is_back_unchanged_is_no_longer_gone(job):
    task = builders.put(job, "completed", gone_at="2026-01-01T00:00:00Z")
    transitions.mark_back([task.pk])
    assert Task.objects.get().gone_at is None
