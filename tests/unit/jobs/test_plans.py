"""The hot statements find their rows by an index, whatever the database believes about the table."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import selectors, sql, transitions
from jobs.catalogue import tasks_at
from jobs.models import Task
from jobs.sql import postgresql
from jobs.sql.rows import Row
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db
on_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="the planner of PostgreSQL")

ROWS = 3000


def explain(statement: str, parameters) -> str:
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        cursor.execute(prefix + statement, parameters)
        return "\n".join(str(row) for row in cursor.fetchall())


def plans_of(action, begin: str) -> list[str]:
    """The plans of the statements of `action` that begin so, each taken in the settings it was run with."""
    plans = []

    def wrapper(execute, statement, parameters, many, context):
        if statement.strip().startswith(begin):
            plans.append(explain(statement, parameters))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(wrapper):
        action()
    return plans


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
        cursor.execute(
            "UPDATE jobs_task t SET status = k.status, owner_id = k.owner_id FROM kept k WHERE k.id = t.id"
        )
        cursor.execute("DROP TABLE kept")


@on_postgres
def test_settling_goes_by_an_index_although_the_statistics_are_stale(many, slave):
    make_statistics_stale()
    rows = [builders.ending(task) for task in many[:500]]
    [plan] = plans_of(lambda: transitions.settle(slave, rows), "UPDATE jobs_task t SET status = v.status, owner_id")
    assert "Index Scan using jobs_task_pkey" in plan and "Seq Scan" not in plan, plan


@on_postgres
def test_rediscovering_goes_by_the_primary_key_although_the_statistics_are_stale(job, slave, many):
    transitions.settle(slave, [builders.ending(task) for task in many])
    make_statistics_stale()
    rows = [builders.seen(task) for task in Task.objects.order_by("id")[:500]]
    [plan] = plans_of(lambda: transitions.rediscover(job.pk, rows), "UPDATE jobs_task t SET kind")
    assert "Index Scan using jobs_task_pkey" in plan and "Seq Scan" not in plan, plan


@on_postgres
def test_the_planner_is_told_so_for_that_statement_only(many, slave):
    with CaptureQueriesContext(connection) as queries:
        postgresql.settle_tasks(str(slave.pk), [builders.ending(many[0]).settlement])
    statements = [query["sql"].strip() for query in queries.captured_queries]
    assert statements[0] == "SET LOCAL enable_seqscan = off" and statements[-1] == "SET LOCAL enable_seqscan = on"


def test_files_to_claim_are_found_by_the_index_of_those_that_wait(job, slave, many):
    plans = plans_of(lambda: transitions.claim_files(slave, job.pk, limit=10), "SELECT id, kind, path, size")
    assert re.search(r"Index Scan using task_waiting |USING INDEX task_waiting ", plans[0]), plans


def test_directories_to_claim_are_found_by_the_index_of_those_that_wait(job, slave, many):
    plans = plans_of(lambda: transitions.claim_directories(slave, job.pk, limit=10), "SELECT id, kind, path, size")
    assert re.search(r"Index Scan using task_waiting_directory |USING INDEX task_waiting_directory ", plans[0]), plans


@pytest.mark.parametrize(
    "look",
    [
        lambda slave: selectors.jobs_with_work(slave),
        lambda slave: selectors.jobs_with_directories(slave),
        lambda slave: list(selectors.finished_run_once_jobs()),
        lambda slave: selectors.jobs_to_publish(),
        lambda slave: list(selectors.expired_slaves()),
        lambda slave: transitions.let_go(slave, set()),
    ],
)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's planner knows how many rows there are")
def test_no_look_for_work_reads_all_tasks_of_a_job(job, slave, many, look):
    plan = "\n".join(plans_of(lambda: look(slave), "SELECT "))
    assert re.search(r"INDEX task_(waiting|waiting_directory|owned)\b", plan)
    assert not re.search(r"INDEX task_path|SCAN (jobs_task|U0)$", plan), plan


@pytest.mark.parametrize("after", [None, b"01000"])
@pytest.mark.parametrize("is_analyzed", [True, False])
@pytest.mark.parametrize("page", [sql.path_page, sql.report_page])
def test_a_page_is_read_by_the_ordered_index_without_sorting_the_job(job, many, page, after, is_analyzed):
    if is_analyzed:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_task")
    [plan] = plans_of(lambda: page(str(job.pk), after, 100), "SELECT")
    assert re.search(r"Index Scan using task_path|USING INDEX task_path", plan), plan


def test_tasks_are_found_by_their_paths_by_the_same_index(job, many):
    wanted = [b"%05d" % number for number in range(0, ROWS, 30)]
    with CaptureQueriesContext(connection) as queries:
        assert tasks_at(job.pk, [*wanted, b"missing"]).count() == len(wanted)
    plan = explain(queries.captured_queries[0]["sql"], ())
    assert re.search(r"(Index Scan using|Index Scan on|USING INDEX) task_path", plan), plan


def test_two_paths_that_differ_only_behind_what_the_index_holds_are_two_tasks(job):
    long = b"x" * 1024
    builders.discover(job, long + b"a", long + b"b")
    assert tasks_at(job.pk, [long + b"b"]).count() == 1 and Task.objects.count() == 2


@pytest.mark.parametrize("page", [1, 7, 5000])
def test_the_catalogue_is_read_whole_and_in_byte_order_by_pages_of_any_size(job, page):
    long = b"x" * 1024
    paths = [b"d/", b"d/e", b"d-", b"d0", b"\xff\xfe", b"a\nb", long, long + b"a", long + b"b", long + b"/c"]
    builders.discover(job, *paths)
    builders.discover(builders.new_job(), b"not mine")
    found, after = [], None
    while rows := sql.path_page(str(job.pk), after, page):
        assert len(rows) <= page
        found += [Row._make(row).path for row in rows]
        after = found[-1]
    assert found == sorted(paths)


def test_the_first_page_begins_with_the_jobs_own_directory(job):
    builders.discover(job, b"a", b"", kind="directory")
    assert [Row._make(row).path for row in sql.path_page(str(job.pk), None, 10)] == [b"", b"a"]
    assert [Row._make(row).path for row in sql.path_page(str(job.pk), b"", 10)] == [b"a"]
