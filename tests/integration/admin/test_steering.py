"""Pause, resume, run, preview, retry and kill: as actions on the list and as buttons on the job."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.admin import verbs
from jobs.admin.verbs import VERBS
from jobs.models import JobEvent, Scan, Task

LIST = "/admin/jobs/job/"


def choose(browser, action: str, *jobs, **fields):
    """Tick the jobs and press Go."""
    return browser.post(LIST, {"action": action, "_selected_action": [job.pk for job in jobs], **fields}, follow=True)


def press(browser, verb: str, job, **fields):
    return browser.post(reverse("admin:jobs_job_do", args=[job.pk, verb]), fields, follow=True)


def said(answer) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def status(job) -> str:
    job.refresh_from_db()
    return job.status


def fail(job, name: bytes) -> Task:
    values = {"kind": "file", "path": name, "path_sha256": name, "path_display": name.decode()}
    return job.tasks.create(**values, status="failed", reason_code="SINK_IO_ERROR")


def test_the_list_pauses_and_says_how_many(browser, make_job):
    jobs = [make_job(), make_job(), make_job(status="paused"), make_job(status="killed", name="old one")]
    told = said(choose(browser, "pause", *jobs))
    assert told[:2] == ["2 jobs paused.", "1 job paused already."]
    assert told[2:] == ["“old one”: The job was killed; it can't be paused."]
    assert [status(job) for job in jobs] == ["paused", "paused", "paused", "killed"]


def test_every_button_does_what_it_says(browser, make_job, user):
    job = make_job()
    task = fail(job, b"a")
    for verb, told in [
        ("pause", "1 job paused."),
        ("resume", "1 job resumed."),
        ("run", "1 job to be scanned now."),
        ("retry", "1 job tried again."),
    ]:
        assert said(press(browser, verb, job)) == [told]
    task.refresh_from_db()
    assert (status(job), task.status) == ("running", "pending")
    assert [event.actor for event in JobEvent.objects.all()] == [f"user:{user.username}"] * 4
    assert Scan.objects.get().is_preview is False
    assert said(press(browser, "preview", job)) == [
        f"“{job}”: A scan of this job is requested or under way. Wait until it has finished."
    ]


def test_a_job_that_was_only_looked_at_is_started_not_resumed(browser, make_job):
    draft, held = make_job(status="paused"), make_job(status="paused")
    held.scans.create(finished_at=timezone.now())
    assert said(choose(browser, "resume", draft, held)) == ["1 job started.", "1 job resumed."]
    assert {status(draft), status(held)} == {"running"}


def test_the_list_names_each_job_that_refused_up_to_a_screenful(browser, make_job, monkeypatch):
    monkeypatch.setattr(verbs, "NAMED", 1)
    names = {"a": "killed", "b": "completed", "c": "killed", "d": "completed", "e": "running"}
    begun = timezone.now()
    jobs = [
        make_job(name=name, status=status, created_at=begun + timedelta(seconds=number))
        for number, (name, status) in enumerate(names.items())
    ]
    told = said(choose(browser, "pause", *jobs))
    assert told[0] == "1 job paused." and told[1].startswith("“d”: The job has completed; it can't be paused.")
    assert told[2:] == ["3 jobs more could not be paused: 2 killed, 1 completed."]


def test_every_move_stands_in_djangos_log_too_and_a_refused_one_does_not(browser, make_job, user):
    job, killed = make_job(), make_job(status="killed")
    for verb in ("pause", "resume", "run"):
        press(browser, verb, job)
    press(browser, "pause", killed)
    entries = LogEntry.objects.order_by("id")
    assert [(entry.object_id, entry.change_message, entry.user) for entry in entries] == [
        (str(job.pk), words, user) for words in ("Pause", "Start", "Run now")
    ]


def test_the_files_of_one_reason_are_retried_alone(browser, make_job):
    job = make_job()
    full, broken = fail(job, b"a"), fail(job, b"b")
    Task.objects.filter(pk=full.pk).update(reason_code="SINK_NO_SPACE")
    assert said(press(browser, "retry", job, reason="SINK_NO_SPACE")) == ["1 job tried again."]
    full.refresh_from_db()
    broken.refresh_from_db()
    assert (full.status, broken.status) == ("pending", "failed")


def test_a_message_does_not_change_the_jobs_name(browser, make_job):
    page = choose(browser, "pause", make_job(name="ro job", status="killed")).content.decode()
    assert "“ro job”: The job was killed" in page and "Ro job" not in page


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        ("running", {"pause", "run", "preview", "retry", "kill"}),
        ("paused", {"resume", "preview", "retry", "kill"}),
        ("completed", {"run", "preview", "retry", "kill"}),
        ("killed", set()),
    ],
)
def test_a_job_has_buttons_for_what_its_state_allows_and_the_others_do_nothing(browser, make_job, state, possible):
    job = make_job(status=state)
    page = browser.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert {verb for verb in VERBS if f"/do/{verb}/" in page} == possible
    for verb in VERBS.keys() - possible:
        press(browser, verb, job, confirmed="yes")
        assert status(job) == state
    assert not JobEvent.objects.exists() and not Scan.objects.exists()


def test_the_list_retries_failed_files(browser, make_job):
    job, healthy = make_job(), make_job()
    fail(job, b"a")
    assert said(choose(browser, "retry", job, healthy)) == ["1 job tried again.", "1 job without failed files."]


def test_kill_asks_first_on_the_list(browser, make_job):
    jobs = [make_job(name="one"), make_job(name="two")]
    page = choose(browser, "kill", *jobs)
    assert [status(job) for job in jobs] == ["running", "running"]
    assert "cannot be undone" in page.content.decode()
    assert "one" in page.content.decode() and "two" in page.content.decode()
    assert said(choose(browser, "kill", *jobs, confirmed="yes")) == ["2 jobs killed."]
    assert [status(job) for job in jobs] == ["killed", "killed"]


def test_kill_asks_first_on_the_job(browser, make_job):
    job = make_job()
    assert "cannot be undone" in press(browser, "kill", job).content.decode()
    assert status(job) == "running"
    assert said(press(browser, "kill", job, confirmed="yes")) == ["1 job killed."]
    assert status(job) == "killed"


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "preview", "retry", "kill"])
def test_a_link_never_does_anything(browser, make_job, verb):
    job = make_job()
    assert browser.get(reverse("admin:jobs_job_do", args=[job.pk, verb])).status_code == 405
    assert status(job) == "running"
    assert not Scan.objects.exists()


def test_a_button_needs_its_csrf_token(user, make_job):
    browser, job = Client(enforce_csrf_checks=True), make_job()
    browser.force_login(user)
    assert press(browser, "pause", job).status_code == 403
    assert status(job) == "running"


@pytest.mark.parametrize(
    ("verb", "codename"),
    [
        *[("pause", "pause_job"), ("resume", "pause_job"), ("run", "run_job"), ("preview", "run_job")],
        *[("retry", "run_job"), ("kill", "kill_job")],
    ],
)
def test_every_verb_wants_its_own_permission(make_user, make_job, browser_of, verb, codename):
    held = {"view_job", "change_job", "pause_job", "run_job", "kill_job"} - {codename}
    owner = make_user(*held, is_staff=True)
    browser, job = browser_of(owner), make_job(owner=owner)
    assert press(browser, verb, job, confirmed="yes").status_code == 403
    choose(browser, verb, job, confirmed="yes")
    assert status(job) == "running"
    assert not JobEvent.objects.exists() and not Scan.objects.exists()
    pages = [browser.get(LIST), browser.get(reverse("admin:jobs_job_change", args=[job.pk]))]
    assert f'value="{verb}"' not in pages[0].content.decode()
    assert f"/do/{verb}/" not in pages[1].content.decode()


def test_an_unknown_verb_or_job_is_404(browser, make_job):
    assert browser.post(f"/admin/jobs/job/{make_job().pk}/do/destroy/").status_code == 404
    assert browser.post("/admin/jobs/job/nonsense/do/pause/").status_code == 404


@pytest.mark.parametrize("verb", ["pause", "kill", "run"])
def test_a_move_that_djangos_log_does_not_take_is_not_made(browser, make_job, monkeypatch, verb):
    def full(*anything):
        raise OSError("no space left on device")

    job = make_job()
    monkeypatch.setattr(verbs, "log_change", full)
    with pytest.raises(OSError, match="no space left"):
        press(browser, verb, job, confirmed="yes")
    assert status(job) == "running" and not Scan.objects.exists() and not JobEvent.objects.exists()
