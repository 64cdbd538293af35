"""A client written for the Go program, with one header added, over a real socket."""

import json
import urllib.error
import urllib.request

import pytest
from knox.models import AuthToken


@pytest.fixture
def call(live_server, transactional_db, make_user):
    """Speaks as plainly as Go's net/http does: method, path, JSON in, JSON out."""
    from tests.integration.api.conftest import VERBS

    _, key = AuthToken.objects.create(make_user(*VERBS))

    def send(method: str, path: str, body: dict | None = None, token: str = key) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(live_server.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


def test_the_documented_calls_work(call, storage):
    job = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local", "interval": "5m"}
    status, created = call("POST", "/api/jobs", job)
    job_id = created["job_id"]
    assert (status, created["status"], created["message"]) == (201, "running", "Job submitted successfully")

    status, tracking = call("GET", f"/api/jobs/{job_id}/tracking")
    assert status == 200
    assert {**job, "interval": "5m0s", "id": job_id, "status": "running"}.items() <= tracking["job"].items()
    assert (tracking["tasks"], tracking["next"], tracking["summary"]["files"]) == ([], None, 0)

    for method, verb, state in [("PUT", "pause", "paused"), ("PUT", "resume", "running"), ("POST", "pause", "paused")]:
        status, answer = call(method, f"/api/jobs/{job_id}/{verb}")
        assert (status, answer["job_id"], answer["status"]) == (200, job_id, state)

    assert call("GET", "/api/jobs?status=paused")[1]["count"] == 1
    assert call("DELETE", f"/api/jobs/{job_id}")[1]["status"] == "killed"
    assert call("PUT", f"/api/jobs/{job_id}/resume")[0] == 409
    assert call("GET", f"/api/jobs/{job_id}")[1]["status"] == "killed"


def test_errors_arrive_as_json_too(call, storage):
    assert call("POST", "/api/jobs", {"source_path": "/in"})[1]["code"] == "REQUIRED"
    assert call("GET", "/api/jobs", token="wrong")[0] == 401
    assert call("GET", "/api/nothing")[1]["code"] == "NOT_FOUND"
