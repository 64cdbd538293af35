"""A job that is looked at before it is one: nothing is copied, and it is started or forgotten."""

import pytest

from jobs.models import Job, Task
from tests.integration.api.test_contract import NEW
from tests.unit.jobs import builders


@pytest.fixture
def draft(api, storage) -> dict:
    answer = api.post("/api/jobs/drafts", NEW)
    assert answer.status_code == 201
    assert answer["Location"].endswith(f"/api/jobs/{answer.json()['job_id']}")
    return answer.json()


def test_a_draft_waits_and_is_previewed(api, draft, user):
    job = Job.objects.get()
    assert draft == {
        **{"job_id": str(job.pk), "status": "paused", "message": "Draft submitted successfully", "warnings": []},
        "scan_id": str(job.scans.get().pk),
    }
    assert job.owner == user and not Task.objects.exists()
    scan = api.get(f"/api/jobs/{job.pk}/scans/{draft['scan_id']}").json()["scan"]
    assert scan["is_preview"] is True


def test_a_draft_is_started_like_any_paused_job(api, draft):
    url = f"/api/jobs/{draft['job_id']}"
    assert api.post(f"{url}/resume").json()["status"] == "running"
    refused = api.post(f"{url}/discard")
    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_WAS_STARTED")
    assert Job.objects.count() == 1


def test_a_draft_is_forgotten(api, draft):
    url = f"/api/jobs/{draft['job_id']}"
    answer = api.post(f"{url}/discard")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(url).status_code == api.post(f"{url}/discard").status_code == 404


def test_a_job_with_history_is_never_forgotten(api, make_job):
    paused, scanned = make_job(status="paused"), make_job(status="paused")
    builders.put(paused, "completed")
    scanned.scans.create()
    for job in (paused, scanned, make_job()):
        assert api.post(f"/api/jobs/{job.pk}/discard").json()["code"] == "JOB_WAS_STARTED"
    assert Job.objects.count() == 3


def test_a_draft_that_cannot_be_is_refused_at_its_field(api, storage):
    for wrong, field in [({"source_path": "/none"}, "source_path"), ({"intervall": "5m"}, "intervall")]:
        refused = api.post("/api/jobs/drafts", {**NEW, **wrong})
        assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert not Job.objects.exists()


def test_drafting_and_discarding_want_the_permission_to_add(make_user, client_of, make_job, storage):
    viewer = make_user("view_job", "pause_job", "kill_job")
    own = make_job(owner=viewer, status="paused")
    client = client_of(viewer)
    assert client.post("/api/jobs/drafts", NEW).status_code == 403
    assert client.post(f"/api/jobs/{own.pk}/discard").status_code == 403
    assert list(Job.objects.all()) == [own]


def test_a_foreign_draft_is_not_there(api, make_user, make_job):
    foreign = make_job(owner=make_user(), status="paused")
    assert api.post(f"/api/jobs/{foreign.pk}/discard").status_code == 404
    assert Job.objects.get() == foreign
