"""A job may name a webhook only where the operator allows it."""

import pytest

from jobs.models import Job

NEW = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local"}


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.WEBHOOKS, settings.WEBHOOK_ORIGINS = [], ["https://hooks.example.org", "http://10.0.0.5:9000"]


@pytest.mark.parametrize(
    "url", ["https://hooks.example.org/a", "https://hooks.example.org:443/a?b", "http://10.0.0.5:9000/", ""]
)
def test_an_allowed_address_is_taken(api, storage, url):
    assert api.post("/api/jobs", {**NEW, "webhook_url": url}).status_code == 201
    assert Job.objects.get().webhook_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.org/",
        "https://hooks.example.org.evil.org/",
        "http://hooks.example.org/",
        "https://hooks.example.org:8443/",
        "https://hooks.example.org@evil.org/",
        "https://evil.org#@hooks.example.org/",
        "https://evil.org\\@hooks.example.org/",
        "https://hooks.example.org\n.evil.org/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.5:99999/",
        "file:///etc/passwd",
        "//hooks.example.org/",
        "hooks.example.org",
    ],
)
def test_any_other_is_refused_at_its_field(api, storage, job, url):
    refused = api.post("/api/jobs", {**NEW, "webhook_url": url})
    assert (refused.status_code, refused.json()["code"]) == (400, "WEBHOOK_NOT_ALLOWED")
    assert refused.json()["field"] == "webhook_url"
    assert api.patch(f"/api/jobs/{job.pk}", {"webhook_url": url}).status_code == 400
    assert Job.objects.get().webhook_url == ""


def test_other_options_change_although_the_address_is_allowed_no_more(api, make_job):
    job = make_job(webhook_url="https://former.example.org/")
    assert api.patch(f"/api/jobs/{job.pk}", {"max_attempts": 3}).status_code == 200
