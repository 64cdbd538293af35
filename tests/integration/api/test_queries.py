"""A page costs the same number of queries whatever is on it."""

import pytest

from jobs.models import Task
from tests.unit.jobs import builders

# Key, its siblings, user, two kinds of permission; the rest is the page itself.
SIGNING_IN = 4


@pytest.fixture(autouse=True)
def portion(api):
    """How much a user asks is counted in the database once in many requests."""
    api.get("/api/jobs")


@pytest.mark.parametrize("count", [1, 20])
def test_the_list_of_jobs_costs_six_queries(api, make_job, count, django_assert_num_queries):
    for _ in range(count):
        make_job().scans.create()
    with django_assert_num_queries(SIGNING_IN + 6):
        assert len(api.get("/api/jobs").json()["results"]) == count


@pytest.mark.parametrize("count", [1, 50])
def test_tracking_costs_nine_queries(api, job, count, django_assert_num_queries):
    Task.objects.bulk_create(
        Task(job=job, kind="file", path=b"%d" % n, path_sha256=b"%d" % n, path_display=str(n)) for n in range(count)
    )
    with django_assert_num_queries(SIGNING_IN + 9):
        assert len(api.get(f"/api/jobs/{job.pk}/tracking").json()["tasks"]) == count


def test_tracking_never_counts_the_tasks(api, job, django_assert_num_queries):
    with django_assert_num_queries(SIGNING_IN + 9) as queries:
        api.get(f"/api/jobs/{job.pk}/tracking?status=failed")
    counting = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]
    assert all('"owner_id" IS NOT NULL' in sql for sql in counting)  # what slaves have in hand is little, and indexed


@pytest.mark.parametrize("count", [1, 50])
def test_a_task_costs_five_queries(api, job, count, django_assert_num_queries):
    task = builders.put(job, "failed", b"x", reason_code="SINK_NO_SPACE")
    for _ in range(count):
        job.events.create(actor="slave:s", action="failed", task=task)
    with django_assert_num_queries(SIGNING_IN + 5):
        assert api.get(f"/api/jobs/{job.pk}/tasks/{task.pk}").status_code == 200
