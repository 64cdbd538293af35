"""A look that can find nothing new is told without looking; what anybody has written is never missed."""

from threading import Thread

import pytest
from django.db import connection
from django.db.models import F

from jobs.changes import Changes
from jobs.models import Job
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 1000.0


@pytest.fixture
def job():
    return builders.new_job()


@pytest.fixture
def seen(job):
    """Somebody who has looked just now."""
    changes = Changes(LONG)
    assert changes.are_possible()
    return changes


def write():
    Job.objects.update(max_attempts=F("max_attempts") + 1)


def write_elsewhere():
    def run():
        write()
        connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite tells")
def test_nothing_was_written_so_nothing_new_can_be_found(seen):
    Job.objects.count()
    assert not seen.are_possible()


@pytest.mark.parametrize("writing", [write, write_elsewhere])
def test_what_was_written_here_or_elsewhere_is_worth_a_look(seen, writing):
    writing()
    assert seen.are_possible()


def test_what_is_written_during_the_look_is_worth_another(seen):
    write()
    assert seen.are_possible()
    write_elsewhere()
    assert seen.are_possible()


def test_what_a_new_connection_tells_is_not_compared_with_the_old(seen):
    connection.close()
    assert seen.are_possible()


def test_what_may_be_due_is_looked_for_in_any_case(job):
    changes = Changes(-1.0)
    assert changes.are_possible()
    assert changes.are_possible()
