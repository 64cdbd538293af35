"""A page of tasks is read by an index in the order it is shown in: nothing reads or sorts all tasks of a job."""

import re

import pytest
from django.db import connection

from jobs.models import Task
from tests.support.plans import plans_of
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

OF_JOB = "/admin/jobs/task/?job__exact={job}"
TRACKING = "/api/jobs/{job}/tracking"
FAILED = {"task_given_up", "task_failed_why"}
#: Address → the indexes that its tasks may be found by.
PAGES = {
    OF_JOB: {"task_path"},
    f"{OF_JOB}&p=2": {"task_path"},
    f"{OF_JOB}&status__exact=completed": {"task_path"},
    f"{OF_JOB}&status__exact=pending": {"task_waiting", "task_waiting_directory"},
    f"{OF_JOB}&status__exact=retrying": {"task_retrying"},
    f"{OF_JOB}&status__exact=failed": FAILED,
    f"{OF_JOB}&status__exact=skipped": {"task_given_up"},
    f"{OF_JOB}&status__exact=cancelled": {"task_given_up"},
    f"{OF_JOB}&reason=SINK_NO_SPACE": FAILED,
    f"{OF_JOB}&q=f/1": {"task_path"},
    "/admin/jobs/task/?q=f/1": {"task_path"},
    TRACKING: {"task_path"},
    f"{TRACKING}?cursor={{task}}": {"task_path"},
    f"{TRACKING}?status=completed": {"task_path"},
    f"{TRACKING}?status=pending": {"task_waiting"},
    f"{TRACKING}?status=retrying": {"task_retrying"},
    f"{TRACKING}?status=failed": FAILED,
    f"{TRACKING}?status=failed&reason=SINK_NO_SPACE": FAILED,
}
STATUSES = ("completed", "pending", "retrying", "failed", "skipped", "cancelled")


@pytest.fixture
def job(make_job):
    """With more files and directories in each state than a page has."""
    job, rows = make_job(), []
    for status in STATUSES:
        reason = {"reason_code": "SINK_NO_SPACE"} if status in ("retrying", "failed", "skipped") else {}
        names = (b"f/%d/%s" % (number, status.encode()) for number in range(101))
        rows += [builders.unsaved(job, status, name, **reason) for name in names]
    Task.objects.bulk_create(rows)
    return job


def ask_for_indexes():
    """PostgreSQL reads and sorts the few rows of a test unless it is told that this is dear, as it is with many."""
    if connection.vendor == "postgresql":
        settings = ("enable_seqscan", "enable_sort", "enable_bitmapscan")
        with connection.cursor() as cursor:
            cursor.execute("; ".join(f"SET LOCAL {name} = off" for name in settings))


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_tasks_comes_from_an_index_in_its_order(admin_client, job, address):
    ask_for_indexes()
    url = address.format(job=job.pk, task=job.tasks.order_by("id")[50].pk)
    plans = [plan for plan in plans_of(lambda: admin_client.get(url), "SELECT") if is_of_page(plan)]
    assert plans
    assert not [plan for plan in plans if re.search(r"TEMP B-TREE FOR ORDER BY|\bSort\b|SCAN jobs_task", plan)], plans
    used = {name for plan in plans for name in indexes(plan)}
    assert used and used <= PAGES[address], plans


def indexes(plan: str) -> list[str]:
    return re.findall(r"(?:INDEX|Scan using) (task_\w+)", plan)


def is_of_page(plan: str) -> bool:
    """The totals of what slaves have in hand, and the row a cursor names, stand beside the page."""
    return bool(re.search(r"task_path|task_waiting|task_retrying|task_given_up|task_failed_why|SCAN jobs_task", plan))


RANGE = re.compile(r"<expr>>\? AND <expr><\?|Index Cond: .*substring.* >= .*substring.* < ")


@pytest.mark.parametrize("beginning", ["f/1", "F/1", "/f/1"])
def test_a_search_for_a_beginning_reads_only_paths_that_begin_so(admin_client, job, beginning):
    ask_for_indexes()
    plans = plans_of(lambda: admin_client.get(OF_JOB.format(job=job.pk), {"q": beginning}), "SELECT")
    found = [plan for plan in plans if "task_path" in plan]
    assert found and all(RANGE.search(plan) for plan in found), found
