"""Jobs are created in the admin, and only their options change afterwards."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Job

ADD = "/admin/jobs/job/add/"
NEW = {
    **{"source_type": "local", "source_path": "/in", "sink_type": "local", "sink_path": "/out", "interval": "5m"},
    **{"name": "", "verify": "readback", "exclude": "", "include": "", "bytes_per_second": "", "max_attempts": "5"},
    **{"when_changing": "fail", "quiet_seconds": "60"},
}


def errors_of(answer) -> dict[str, list[str]]:
    assert answer.status_code == 200, answer.headers
    return answer.context["adminform"].form.errors


def test_a_job_is_created_through_the_services(browser, storage, user):
    answer = browser.post(ADD, {**NEW, "exclude": "*.o\r\n*.tmp"})
    assert answer.status_code == 302
    job = Job.objects.get()
    assert (job.owner, job.interval, job.source_path) == (user, timedelta(minutes=5), "/in")
    assert job.next_scan_at is not None
    assert job.exclude.splitlines() == ["*.o", "*.tmp"]
    assert [(event.action, event.actor) for event in job.events.all()] == [("create", f"user:{user.username}")]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"source_path": "in/../x"}, "source_path", "not a plain path"),
        ({"source_path": "missing"}, "source_path", "does not exist"),
        ({"source_path": ""}, "source_path", "required"),
        ({"source_path": "a\0"}, "source_path", "Null"),
        ({"sink_path": "//"}, "sink_path", "not a plain path"),
        ({"sink_path": "/in/below"}, "sink_path", "overlap"),
        ({"source_type": "s3"}, "source_type", "not one of the available choices"),
        ({"interval": "5"}, "interval", "not a duration"),
        ({"interval": "1ms"}, "interval", "between"),
        ({"bytes_per_second": "5"}, "bytes_per_second", "1024"),
        ({"max_attempts": "101"}, "max_attempts", "100"),
        ({"when_changing": "later"}, "when_changing", "not one of the available choices"),
        ({"quiet_seconds": "0"}, "quiet_seconds", "1"),
        ({"include": "!"}, "include", "can't be understood"),
    ],
)
def test_what_is_refused_is_said_at_its_field_and_nothing_is_created(browser, storage, changes, field, said):
    found = errors_of(browser.post(ADD, {**NEW, **changes}))
    assert list(found) == [field]
    assert said in found[field][0]
    assert not Job.objects.exists()


def test_another_jobs_sink_is_refused_at_the_field(browser, storage):
    browser.post(ADD, NEW)
    assert "overlaps the sink of job" in errors_of(browser.post(ADD, NEW))["sink_path"][0]
    assert Job.objects.count() == 1


def test_the_storages_are_a_choice_of_those_configured(browser, storage, settings):
    settings.STORAGES_CONFIGURED = {**settings.STORAGES_CONFIGURED, "archive": "file:///archive"}
    page = browser.get(ADD).content.decode()
    assert '<option value="archive"' in page and '<option value="local"' in page


def test_only_options_change_afterwards(browser, storage, make_job):
    job = make_job(interval=timedelta(minutes=5))
    url = reverse("admin:jobs_job_change", args=[job.pk])
    assert 'value="5m0s"' in browser.get(url).content.decode()
    answer = browser.post(
        url, {**NEW, "source_path": "/other", "status": "killed", "interval": "5m", "bytes_per_second": "2048"}
    )
    assert answer.status_code == 302
    job.refresh_from_db()
    assert (job.source_path, job.status, job.bytes_per_second) == ("/in", "running", 2048)
    assert [(event.action, event.text) for event in job.events.all()] == [("change", "bytes_per_second")]


def test_a_bad_option_is_refused_afterwards_too(browser, make_job):
    job = make_job()
    answer = browser.post(reverse("admin:jobs_job_change", args=[job.pk]), {**NEW, "exclude": "!"})
    assert "can't be understood" in errors_of(answer)["exclude"][0]
    job.refresh_from_db()
    assert job.exclude == ""


def test_who_may_not_add_or_change_gets_403(make_user, make_job, browser_of):
    onlooker = make_user("view_job", is_staff=True)
    browser, job = browser_of(onlooker), make_job(owner=onlooker)
    assert browser.get(ADD).status_code == 403
    assert browser.post(ADD, NEW).status_code == 403
    url = reverse("admin:jobs_job_change", args=[job.pk])
    assert browser.get(url).status_code == 200
    assert browser.post(url, NEW).status_code == 403


def test_a_foreign_job_can_neither_be_seen_nor_steered(make_user, make_job, browser_of):
    job = make_job()
    browser = browser_of(make_user("view_job", "change_job", "pause_job", "kill_job", is_staff=True))
    assert str(job.pk) not in browser.get("/admin/jobs/job/").content.decode()
    assert browser.get(reverse("admin:jobs_job_change", args=[job.pk])).status_code == 302
    assert browser.post(f"/admin/jobs/job/{job.pk}/do/pause/").status_code == 404
    job.refresh_from_db()
    assert job.status == "running"


@pytest.mark.django_db
def test_strangers_are_sent_to_the_login():
    answer = Client().get("/admin/jobs/job/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
