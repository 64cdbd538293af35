"""What a one-shot sync tells of at its end is found by indexes that hold little else: no table of all files is read."""

import re

import pytest
from django.db import connection

from jobs.models import Task
from tests.support.plans import plans_of
from tests.unit.jobs import builders
from transfers.oneshot.unsynced import failed_tasks, unfinished_tasks

pytestmark = pytest.mark.django_db

STATUSES = ("completed", "skipped", "pending", "in_progress", "cancelled", "retrying", "failed")


@pytest.fixture
def job():
    """With a file in every state, a failed one that is gone, a directory that waits, and another job beside it."""
    made, other = builders.new_job(), builders.new_job()
    for status in STATUSES:
        builders.put(made, status, b"0" + status.encode())
        builders.put(other, status, status.encode())
    builders.put(made, "failed", b"gone")
    Task.objects.filter(job=made, path=b"gone").update(gone_at="2026-01-01T00:00Z")
    builders.put(made, "pending", b"directory/", kind="directory")
    builders.put(made, "failed", b"1 last")
    return made


def test_what_did_not_arrive_comes_in_the_order_of_the_catalogue(job):
    assert [task.path_display for task in failed_tasks(job)] == ["0retrying", "0failed", "1 last"]


def test_what_was_not_tried_to_its_end_is_counted(job):
    assert unfinished_tasks(job) == 4


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's planner knows how many rows there are")
@pytest.mark.parametrize("look", [failed_tasks, unfinished_tasks])
def test_no_file_that_is_done_is_read(job, look):
    plans = plans_of(lambda: look(job), "SELECT ")
    indexes = r"INDEX task_(waiting|waiting_directory|retrying|owned|given_up|failed_why)\b"
    assert plans and all(re.search(indexes, plan) for plan in plans), plans
