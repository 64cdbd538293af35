"""What holds a job up is said while it lasts, and only then."""

import pytest

from jobs import transitions
from jobs.models import Job
from jobs.terminal.look import look
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    """With one file whose sink did not answer."""
    job, slave = builders.new_job(), builders.new_slave()
    task = builders.claim_one(slave, job, b"a")
    why = {"reason_code": "SINK_UNREACHABLE", "reason_text": "Sink: a: no\x1b answer."}
    transitions.settle(slave, [builders.ending(task, "retrying", **why)])
    return job


def test_a_storage_that_does_not_answer_is_named_while_nothing_is_under_way(job):
    note = look(job, None).note
    assert note.startswith("1 to be tried again: SINK_UNREACHABLE: Sink: a: no") and "\x1b" not in note


def test_nothing_holds_up_what_is_under_way(job):
    builders.claim_one(builders.new_slave(), job, b"b")
    assert look(job, None).note == ""


def test_what_parks_the_job_comes_first(job):
    Job.objects.filter(pk=job.pk).update(parked_code="SINK_NO_SPACE", parked_text="full")
    job.refresh_from_db()
    assert look(job, None).note == "parked: SINK_NO_SPACE: full"
