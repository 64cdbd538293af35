"""The hot statements find their rows by an index, whatever the database believes about the table."""

import re

import pytest
from django.db import connection

from jobs import claimable, selectors, sql, transitions, upkeep, uploads
from jobs.catalogue import tasks_at
from jobs.models import Task
from jobs.pages import Row
from jobs.sql.rows import Copied
from tests.support.plans import plans_of
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db
on_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="the planner of PostgreSQL")

ROWS = 3000


@pytest.fixture
def many(job, slave):
    """A job of many tasks, all in this slave's hand."""
    builders.discover(job, *(b"%05d" % number for number in range(ROWS)))
    return builders.claim(slave, job, limit=ROWS)


def make_statistics_stale():
    """As after a scan of everything: analyzed while every row was pending, and nothing was in progress or owned."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE kept AS SELECT id, status, owner_id FROM jobs_task")
        cursor.execute("UPDATE jobs_task SET status = 'pending', owner_id = NULL")
        cursor.execute("ANALYZE jobs_task")
        cursor.execute("UPDATE jobs_task t SET status = k.status, owner_id = k.owner_id FROM kept k WHERE k.id = t.id")
        cursor.execute("DROP TABLE kept")


#: Each row of the batch finds its task by the key, or both are read once: never the batch once more for every task.
BY_KEY_OR_ONCE = r"Index Cond: \(id = v\.id\)|Hash Join|Merge Join"


def settle_copied(slave, tasks):
    rows = [Copied(builders.DIGEST, 1, 1, "v", 1, 1, "w", 1, False, task.id, task.epoch) for task in tasks]
    assert transitions.settle_copied(slave, tasks[0].job_id, rows, old_bytes=0)


def settle(slave, tasks):
    transitions.settle(slave, [builders.ending(task) for task in tasks])


@on_postgres
@pytest.mark.parametrize("batch", [10, 500, 2000])
@pytest.mark.parametrize(
    ("settle", "begin"),
    [(settle, "UPDATE jobs_task t SET status = v"), (settle_copied, "UPDATE jobs_task t SET status = 'completed'")],
)
def test_settling_is_never_quadratic_although_the_statistics_are_stale(many, slave, settle, begin, batch):
    make_statistics_stale()
    [plan] = plans_of(lambda: settle(slave, many[:batch]), begin)
    assert re.search(BY_KEY_OR_ONCE, plan) and "Join Filter" not in plan, plan


@on_postgres
@pytest.mark.parametrize("batch", [10, 500, 2000])
def test_rediscovering_is_never_quadratic_although_the_statistics_are_stale(job, slave, many, batch):
    transitions.settle(slave, [builders.ending(task) for task in many])
    make_statistics_stale()
    rows = [builders.seen(task) for task in Task.objects.order_by("id")[:batch]]
    [plan] = plans_of(lambda: transitions.rediscover(job.pk, rows), "UPDATE jobs_task t SET kind")
    assert re.search(BY_KEY_OR_ONCE, plan) and not re.search(r"Join Filter: .*id = v.id", plan), plan


@on_postgres
@pytest.mark.parametrize("batch", [10, 500, 2000])
def test_a_batch_is_found_by_its_ids_although_the_statistics_know_nothing_of_the_job(slave, batch):
    paths = [b"%05d" % number for number in range(ROWS)]
    builders.discover(builders.new_job(), *paths)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_task")
    job = builders.new_job()
    ids = builders.discover(job, *paths)[:batch]
    claims = plans_of(lambda: transitions.claim_named(slave, job.pk, ids), "SELECT id, kind, path, size")
    fences = plans_of(lambda: uploads.owned(slave, [(id, 1) for id in ids]), "SELECT count(*)")
    for plan in claims + fences:
        assert "jobs_task_pkey" in plan and not re.search("task_path|task_waiting", plan), plan
    assert len(claims) == len(fences) == 1 and Task.objects.filter(status="in_progress").count() == batch


def test_files_to_claim_are_found_by_the_index_of_those_that_wait(job, slave, many):
    plans = plans_of(lambda: transitions.claim_files(slave, job.pk, limit=10), "SELECT id, kind, path, size")
    assert re.search(r"Index Scan using task_waiting |USING INDEX task_waiting ", plans[0]), plans


def test_directories_to_claim_are_found_by_the_index_of_those_that_wait(job, slave, many):
    plans = plans_of(lambda: transitions.claim_directories(slave, job.pk, limit=10), "SELECT id, kind, path, size")
    assert re.search(r"Index Scan using task_waiting_directory |USING INDEX task_waiting_directory ", plans[0]), plans


@pytest.mark.parametrize(
    "look",
    [
        lambda slave: claimable.jobs_with_work(slave),
        lambda slave: claimable.jobs_with_directories(slave),
        lambda slave: list(selectors.finished_run_once_jobs()),
        lambda slave: selectors.jobs_to_publish(),
        lambda slave: list(selectors.expired_slaves()),
        lambda slave: transitions.let_go(slave, set()),
        lambda slave: upkeep.cancel_killed(),
    ],
)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's planner knows how many rows there are")
def test_no_look_for_work_reads_all_tasks_of_a_job(job, slave, many, look):
    plan = "\n".join(plans_of(lambda: look(slave), "SELECT "))
    assert re.search(r"INDEX task_(waiting|waiting_directory|owned)\b", plan)
    assert not re.search(r"INDEX task_path|SCAN (jobs_task|U0)$", plan), plan


@pytest.mark.parametrize("after", [None, b"01000"])
@pytest.mark.parametrize("is_analyzed", [True, False])
@pytest.mark.parametrize("page", [lambda job_id, *page: sql.pages(job_id).rows(*page), sql.report_page])
def test_a_page_is_read_by_the_ordered_index_without_sorting_the_job(job, many, page, after, is_analyzed):
    if is_analyzed:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_task")
    [plan] = plans_of(lambda: page(str(job.pk), after, 100), "SELECT")
    assert re.search(r"Index Scan using task_path|USING INDEX task_path", plan), plan


def test_tasks_are_found_by_their_paths_by_the_same_index(job, many):
    wanted = [b"%05d" % number for number in range(0, ROWS, 30)]
    [plan] = plans_of(lambda: list(tasks_at(job.pk, [*wanted, b"missing"])), "SELECT")
    assert re.search(r"Index Scan (using|on) task_path|INDEX task_path \(job_id=\? AND <expr>=\?", plan), plan
    assert tasks_at(job.pk, [*wanted, b"missing"]).count() == len(wanted)


def test_two_paths_that_differ_only_behind_what_the_index_holds_are_two_tasks(job):
    long = b"x" * 1024
    builders.discover(job, long + b"a", long + b"b")
    assert tasks_at(job.pk, [long + b"b"]).count() == 1 and Task.objects.count() == 2


@pytest.mark.parametrize("page", [1, 7, 5000])
def test_the_catalogue_is_read_whole_and_in_byte_order_by_pages_of_any_size(job, page, monkeypatch):
    monkeypatch.setattr("jobs.pages.PAGE_ROWS", page)
    long = b"x" * 1024
    paths = [b"d/", b"d/e", b"d-", b"d0", b"\xff\xfe", b"a\nb", long, long + b"a", long + b"b", long + b"/c"]
    builders.discover(job, *paths)
    builders.discover(builders.new_job(), b"not mine")
    pages = list(sql.pages(str(job.pk)).catalogue())
    assert max(map(len, pages)) <= page
    assert [Row._make(row).path for rows in pages for row in rows] == sorted(paths)


def test_the_first_page_begins_with_the_jobs_own_directory(job):
    builders.discover(job, b"a", b"", kind="directory")
    assert [Row._make(row).path for row in sql.pages(str(job.pk)).rows(None, 10)] == [b"", b"a"]
    assert [Row._make(row).path for row in sql.pages(str(job.pk)).rows(b"", 10)] == [b"a"]
