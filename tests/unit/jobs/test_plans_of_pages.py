"""What pages ask for that people leave open: no look at all tasks, nor at all scans and events that a job ever had."""

import re

import pytest
from django.db import connection

from jobs import insight
from jobs.insight.attention import attention
from jobs.latest import latest_scans
from jobs.models import Job, JobEvent, Scan
from jobs.progress import overviews
from tests.support.plans import plans_of
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

JOBS, ROWS = 5, 500


@pytest.fixture
def analyzed():
    """One of some jobs with tasks, scans and events, of which the database has statistics, and without an upload: of a
    table that is empty SQLite keeps nothing, and takes it for a large one."""
    jobs = [builders.new_job() for _ in range(JOBS)]
    for job in jobs:
        builders.discover(job, *(b"%05d" % number for number in range(ROWS)))
    Scan.objects.bulk_create(Scan(job=job, finished_at="2026-01-01T00:00Z") for _ in range(ROWS) for job in jobs)
    JobEvent.objects.bulk_create(JobEvent(job=job, actor="slave:s", action="x") for _ in range(ROWS) for job in jobs)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return jobs[0]


LOOKS = {
    "overviews": lambda job: overviews([job.pk]),
    "attention": lambda job: attention(Job.objects.all()),
    "a page of jobs": lambda job: insight.look([job]),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_no_look_that_is_repeated_reads_all_tasks(analyzed, look):
    plans = plans_of(lambda: look(analyzed), "SELECT")
    assert plans and not [plan for plan in plans if re.search(r"(SCAN|Seq Scan on) jobs_task\b(?! USING)", plan)], plans


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_the_latest_scan_is_read_from_the_end_of_an_index(analyzed, look):
    plans = [plan for plan in plans_of(lambda: look(analyzed), "SELECT") if re.search("jobs_scan|scan_of_job", plan)]
    latest = [plan for plan in plans if re.search(r"CORRELATED SCALAR SUBQUERY|SubPlan", plan)]
    assert latest and all("scan_of_job" in plan for plan in latest), plans
    assert not [plan for plan in plans if re.search(r"(SCAN|Seq Scan on) jobs_scan\b(?! USING)", plan)], plans


@pytest.mark.parametrize("kind", ["scans", "events"])
def test_the_latest_of_a_job_are_not_sorted(analyzed, kind):
    [plan] = plans_of(lambda: list(getattr(analyzed, kind).all()[:10]), "SELECT")
    assert re.search(r"(scan|event)_of_job", plan) and not re.search(r"TEMP B-TREE|\bSort\b", plan), plan


def test_the_latest_scan_of_each_job_is_no_preview_and_as_asked_for():
    first, second, without = builders.new_job(), builders.new_job(), builders.new_job()
    old = Scan.objects.create(job=first, finished_at="2026-01-01T00:00Z")
    new = Scan.objects.create(job=first)
    only = Scan.objects.create(job=second, finished_at="2026-01-01T00:00Z")
    Scan.objects.create(job=second, finished_at="2026-01-01T00:00Z", is_preview=True)
    Scan.objects.create(job=without, is_preview=True)
    jobs = Job.objects.all()
    assert set(latest_scans(jobs)) == {new, only}
    assert set(latest_scans(jobs, finished_at__isnull=False)) == {old, only}
    assert list(latest_scans(jobs.filter(pk=second.pk))) == [only]
