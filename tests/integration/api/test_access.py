"""Who gets in: 401 for nobody, 403 without the permission, 404 for what belongs to somebody else."""

from datetime import timedelta

import pytest
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from jobs.api.permissions import DeclaredPermission
from jobs.api.urls import router
from jobs.models import Job

ANY_ID = "0b0f8c1e-6f57-4c0b-9a57-0f5fc7a1d6b2"
#: What the walk over every address (tests/integration/site) can't know.
ADDRESSES = ("/api", "/api/jobs", f"/api/jobs/{ANY_ID}/pause", "/api/nonsense", "/api/jobs/x/y/z", "/api//")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_gets_past_401_whatever_is_asked_for(address, monkeypatch):
    monkeypatch.setattr("jobs.api.throttling.REFUSED_A_MINUTE", 1_000_000)
    client = APIClient()
    for method in ("GET", "POST", "OPTIONS"):
        for suffix in ("", "/", "?format=json", "?format=nonsense", "?cursor=x"):
            for accept in ("*/*", "text/html", "application/xml"):
                answer = client.generic(method, address + suffix, b"{", "application/json", HTTP_ACCEPT=accept)
                assert answer.status_code == 401, (method, address + suffix, accept)
                assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("header", ["Token", "Token x y", "Token bad", "Token \xff\xfe", "Token a\0b", "Bearer x"])
def test_a_key_that_is_none_is_401(db, header):
    answer = APIClient().get("/api/jobs", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.json().keys() == {"code", "message", "field", "hint"}
    assert "apitoken" in answer.json()["hint"]


def test_an_expired_key_and_a_key_in_the_query_are_401(user):
    _, expired = AuthToken.objects.create(user, expiry=timedelta(seconds=-1))
    assert APIClient().get("/api/jobs", HTTP_AUTHORIZATION=f"Token {expired}").status_code == 401
    _, valid = AuthToken.objects.create(user)
    assert APIClient().get(f"/api/jobs?token={valid}").status_code == 401


def test_a_key_ends_with_its_user(user, client_of):
    api = client_of(user)
    assert api.get("/api/jobs").status_code == 200
    user.is_active = False
    user.save()
    assert api.get("/api/jobs").status_code == 401


VERBS = [
    ("get", "", "view_job"),
    ("post", "", "add_job"),
    ("get", "/{id}", "view_job"),
    ("patch", "/{id}", "change_job"),
    ("delete", "/{id}", "kill_job"),
    ("get", "/{id}/tracking", "view_job"),
    ("get", "/{id}/scans", "view_job"),
    ("get", "/{id}/scans/1", "view_job"),
    ("get", "/{id}/events", "view_job"),
    ("put", "/{id}/pause", "pause_job"),
    ("post", "/{id}/pause", "pause_job"),
    ("put", "/{id}/resume", "pause_job"),
    ("post", "/{id}/run", "run_job"),
    ("post", "/{id}/preview", "run_job"),
    ("post", "/{id}/retry", "run_job"),
]


@pytest.mark.parametrize(("method", "path", "codename"), VERBS)
def test_every_verb_wants_its_own_permission(make_user, make_job, client_of, storage, method, path, codename):
    everything = {codename for _, _, codename in VERBS}
    for held, allowed in [(everything - {codename}, False), ({codename}, True)]:
        owner = make_user(*held)
        job = make_job(owner=owner)
        job.scans.create(pk=1) if path.endswith("scans/1") and not allowed else None
        answer = getattr(client_of(owner), method)(f"/api/jobs{path.format(id=job.pk)}", {})
        if allowed:
            assert answer.status_code in (200, 400, 404)
        else:
            assert answer.status_code == 403
            assert answer.json()["code"] == "PERMISSION_DENIED"
            assert f"jobs.{codename}" in answer.json()["message"]
        job.refresh_from_db()
        assert allowed or job.status == "running"


def test_every_action_of_every_view_declares_its_permission():
    for _, viewset, _ in router.registry:
        actions = {extra.__name__ for extra in viewset.get_extra_actions()}
        standard = {"list", "create", "retrieve", "update", "partial_update", "destroy"}
        actions |= {name for name in standard if hasattr(viewset, name)}
        assert actions == set(viewset.permission_of)


def test_an_action_without_a_declared_permission_is_refused_even_to_a_superuser(admin_user, rf):
    class Undeclared:
        allowed_methods = ("GET",)
        action = "list"

    request = rf.get("/")
    request.user = admin_user
    assert not DeclaredPermission().has_permission(request, Undeclared())


def test_a_foreign_job_looks_exactly_like_an_unknown_one(make_user, make_job, client_of):
    foreign = make_job(owner=make_user())
    stranger = client_of(make_user(*{codename for _, _, codename in VERBS}))
    for method, path, _ in VERBS:
        if "{id}" in path:
            answers = [getattr(stranger, method)(f"/api/jobs{path.format(id=id)}", {}) for id in (foreign.pk, ANY_ID)]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].content == answers[1].content
    assert stranger.get("/api/jobs").json()["results"] == []
    foreign.refresh_from_db()
    assert foreign.status == "running"


def test_holders_of_view_all_jobs_see_and_steer_everybodys(make_user, job, client_of):
    overseer = client_of(make_user("view_job", "pause_job", "view_all_jobs"))
    assert overseer.get("/api/jobs").json()["count"] == 1
    assert overseer.put(f"/api/jobs/{job.pk}/pause").status_code == 200


def test_a_task_of_another_job_cannot_be_retried_through_ones_own(api, make_user, make_job):
    foreign = make_job(owner=make_user())
    task = foreign.tasks.create(
        kind="file", path=b"x", path_sha256=b"x", path_display="x", status="failed", reason_code="SINK_IO_ERROR"
    )
    own = make_job()
    assert api.post(f"/api/jobs/{own.pk}/retry", {"task_id": str(task.pk)}).status_code == 404
    scan = foreign.scans.create()
    assert api.get(f"/api/jobs/{own.pk}/scans/{scan.pk}").status_code == 404


def test_a_browsers_session_needs_the_csrf_token(user, job):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    answer = browser.post(f"/api/jobs/{job.pk}/pause", HTTP_ACCEPT="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
    assert Job.objects.get().status == "running"
