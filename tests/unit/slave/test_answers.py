"""What is written in short says the same as what is written in full."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import counters, transitions
from jobs.models import Job, Task
from jobs.sql.rows import Settlement
from jobs.transitions import Claimed
from tests.unit.jobs import builders
from transfers.engine.contracts import Identity, Outcome, Result
from transfers.engine.messages import Outcomes
from transfers.slave import answers


@pytest.fixture
def slave(db):
    return builders.new_slave()


TASK = Claimed(7, "job", "file", b"a", 3, 1, 1, False, "")
DONE = Outcome(7, 1, Result.COMPLETED, b"s" * 32, Identity(5, 6, "1.2"), Identity(5, 6, "3.4"), 5, 5)
NOW = time.time()
TIMES = st.one_of(st.none(), st.integers(0, 1 << 62), st.integers(-5, 5).map(lambda s: int((NOW + s) * 1e9)))


def sort(*outcomes, claimed=(TASK,), has_upload=frozenset()):
    held = {task.id: task for task in claimed}
    return answers.sort(Job(), held, set(has_upload), NOW, Outcomes.pack(outcomes)), held


@given(TIMES, TIMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_in_short_is_the_settlement_in_short(source_mtime_ns, sink_mtime_ns):
    outcome = DONE._replace(source=Identity(5, source_mtime_ns, "1.2"), sink=Identity(5, sink_mtime_ns, "3.4"))
    answer, _ = sort(outcome)
    [row], [full] = answer.copied_rows(), answer.settled(answer.in_full())
    names = [name for name in row._fields if name in Settlement._fields]
    assert set(row._fields) - set(names) == set()
    assert {name: getattr(row, name) for name in names} == {name: getattr(full.settlement, name) for name in names}
    assert (full.copied, full.resumed, full.adopted, full.dropped_bits) == (row.copied_bytes, 0, False, False)


@pytest.mark.parametrize(
    ("task", "has_upload"),
    [
        (TASK._replace(kind="symlink"), ()),
        (TASK._replace(epoch=2), ()),
        (TASK, (7,)),
    ],
)
def test_links_and_files_that_may_have_an_upload_are_written_in_full(task, has_upload):
    answer, held = sort(DONE._replace(epoch=task.epoch), claimed=[task], has_upload=has_upload)
    assert answer.copied == [] and len(answer.others) == 1 and held == {}


@pytest.mark.parametrize("outcome", [DONE._replace(task_id=8), DONE._replace(epoch=2)])
def test_an_answer_for_what_is_not_in_hand_is_dropped(outcome):
    answer, held = sort(outcome)
    assert (answer.copied, answer.others) == ([], []) and held == {7: TASK}


def test_what_was_taken_from_us_is_not_written_and_nothing_of_the_rest_in_short(slave):
    job = builders.new_job()
    builders.discover(job, b"a", b"b", size=5)
    tasks = builders.claim(slave, job)
    Task.objects.filter(pk=tasks[0].id).update(epoch=2)
    outcomes = Outcomes.pack([DONE._replace(task_id=task.id) for task in tasks])
    answer = answers.sort(job, {task.id: task for task in tasks}, set(), NOW, outcomes)
    assert not transitions.settle_copied(slave, job.pk, answer.copied_rows(), old_bytes=10)
    assert set(Task.objects.values_list("status", flat=True)) == {"in_progress"}
    assert transitions.settle(slave, answer.settled(answer.in_full())) == {tasks[1].id}


def test_both_ways_leave_the_same_rows_and_totals(slave):
    jobs = [builders.new_job(), builders.new_job()]
    for job, in_short in zip(jobs, [True, False], strict=True):
        builders.discover(job, b"a", b"b", size=3)
        tasks = builders.claim(slave, job)
        outcomes = Outcomes.pack([DONE._replace(task_id=task.id) for task in tasks])
        answer = answers.sort(job, {task.id: task for task in tasks}, set(), NOW, outcomes)
        if in_short:
            assert transitions.settle_copied(slave, job.pk, answer.copied_rows(), old_bytes=6)
        else:
            transitions.settle(slave, answer.settled(answer.in_full()))
    written = [_rows(job) for job in jobs]
    assert written[0] == written[1] and len(written[0]) == 2
    assert counters.totals(jobs[0].pk) == counters.totals(jobs[1].pk)


def _rows(job):
    apart = {"id", "job_id", "started_at", "completed_at"}
    return [
        {name: value if not isinstance(value, memoryview) else bytes(value) for name, value in row.items()
         if name not in apart}
        for row in Task.objects.filter(job=job, completed_at__isnull=False).order_by("id").values()
    ]
