"""A move of a job is a compare-and-set with its history row in the same transaction."""

import pytest
from django.db import IntegrityError

from jobs import services, transitions
from jobs.errors import MoveRefused
from jobs.models import Job, JobEvent
from jobs.states import JOB_MOVES, JobStatus
from tests.support import stack
from tests.unit.jobs import builders

MOVES = [move for move in JOB_MOVES.values() if move.sources]
ALLOWED = [(move.name, source) for move in MOVES for source in sorted(move.sources)]
#: Asking for what is the case already is no mistake.
SETTLED = [(move.name, move.target) for move in MOVES]
FORBIDDEN = [
    (move.name, status.value)
    for move in MOVES
    for status in JobStatus
    if status not in move.sources and status != move.target
]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "source"), ALLOWED)
def test_a_move_of_the_table_is_made_and_recorded(name, source):
    job = builders.new_job(status=source)
    assert transitions.move_job(job, name, actor="user:ann", text="because")
    assert job.status == Job.objects.get(pk=job.pk).status == JOB_MOVES[name].target
    [event] = JobEvent.objects.filter(job=job)
    assert (event.actor, event.action, event.text, event.count) == ("user:ann", name, "because", 1)


@pytest.mark.parametrize(("name", "source"), SETTLED)
def test_a_move_to_where_the_job_is_already_does_nothing(name, source):
    job = builders.new_job(status=source)
    assert not transitions.move_job(job, name, actor="user:ann")
    assert not JobEvent.objects.filter(job=job).exists()


@pytest.mark.parametrize(("name", "source"), FORBIDDEN)
def test_every_other_move_is_refused_naming_both_states_and_writes_nothing(name, source):
    job = builders.new_job(status=source)
    before = Job.objects.filter(pk=job.pk).values().get()
    with pytest.raises(MoveRefused) as refused:
        transitions.move_job(job, name, actor="user:ann")
    assert (refused.value.current, refused.value.target) == (source, JOB_MOVES[name].target)
    assert source in refused.value.message and JOB_MOVES[name].target in refused.value.message
    assert refused.value.status == 409 and refused.value.code == f"JOB_IS_{source.upper()}"
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert not JobEvent.objects.filter(job=job).exists()


def test_a_move_goes_by_the_database_and_not_by_what_the_caller_remembers(job):
    Job.objects.filter(pk=job.pk).update(status="killed")
    with pytest.raises(MoveRefused):
        transitions.move_job(job, "pause", actor="user:ann")
    assert job.status == "killed"


def test_a_move_whose_history_row_is_refused_did_not_happen(job):
    with pytest.raises(IntegrityError):
        transitions.move_job(job, "pause", actor=None)
    assert Job.objects.get(pk=job.pk).status == "running"


@pytest.mark.parametrize("verb", [services.pause_job, services.kill_job])
def test_pause_and_kill_may_be_said_twice(job, verb):
    assert verb(job, actor="user:ann")
    assert not verb(job, actor="user:bob")
    assert [event.actor for event in JobEvent.objects.filter(job=job)] == ["user:ann"]


def test_pause_and_kill_write_the_job_row_and_its_history_only(job, django_assert_num_queries):
    builders.put(job, "pending")
    rings = stack.is_postgres()
    with django_assert_num_queries(5 + rings) as queries:  # savepoint, update, read, event, ring, release
        services.pause_job(job, actor="user:ann")
    assert not any("jobs_task" in query["sql"] for query in queries.captured_queries)
