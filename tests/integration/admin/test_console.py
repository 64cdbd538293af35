"""What the console's pages cost however much there is, and what choosing a path can and can't reach."""

import base64

import pytest
from django.urls import reverse

from jobs import drafts, services
from jobs.models import Job, Slave
from tests.unit.jobs import builders

BROWSE = "/admin/jobs/job/add/browse/source/"
LIVE = "/admin/jobs/job/live/"


def fill(job: Job, number: int) -> None:
    for n in range(number):
        builders.put(job, "failed", b"f%d" % n)
        builders.put(job, "in_progress", b"p%d" % n)
        builders.put(job, "completed", b"c%d" % n)
        job.scans.create(finished_at="2026-01-01T00:00:00Z")
        job.events.create(actor="user:x", action="pause")


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("/admin/", 25),
        ("/admin/jobs/job/{}/change/", 30),
        (LIVE + "?page=overview", 23),
        (LIVE + "?page=job&id={}", 22),
        (LIVE + "?page=list&id={}", 12),
        ("/admin/jobs/task/?job__exact={}", 12),
        ("/admin/jobs/slave/", 12),
    ],
)
def test_a_page_costs_the_same_however_much_is_on_it(
    admin_client, make_job, address, most, django_assert_num_queries, django_assert_max_num_queries
):
    job = make_job(status="running")
    fill(job, 1)
    admin_client.get(address.format(job.pk))  # what is asked once per process
    with django_assert_max_num_queries(most) as first:
        assert admin_client.get(address.format(job.pk)).status_code == 200
    for _ in range(3):
        fill(make_job(), 3)
    for n in range(1, 4):
        builders.put(job, "failed", b"more%d" % n)
        builders.put(job, "in_progress", b"held%d" % n)
    with django_assert_num_queries(len(first)):
        assert admin_client.get(address.format(job.pk)).status_code == 200


def token(path: bytes) -> str:
    return base64.urlsafe_b64encode(path).decode()


@pytest.mark.parametrize("path", [b"..", b"../..", b"in/../..", b"/etc", b"a//b", b"in/\0"])
def test_browsing_never_leaves_the_root(browser, storage, path):
    answer = browser.post(BROWSE, {"source_type": "local", "source_path": "/", "go": token(path)})
    assert "That is no directory." in answer.content.decode()
    assert "Use this directory" not in answer.content.decode()


def test_browsing_follows_no_link_out_of_the_root(browser, storage, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "canary").write_text("x")
    (storage / "link").symlink_to(tmp_path / "secret")
    answer = browser.post(BROWSE, {"source_type": "local", "source_path": "/", "go": token(b"link")})
    assert "canary" not in answer.content.decode()


def test_a_chosen_path_comes_back_with_everything_that_was_typed(browser, storage):
    page = browser.post(BROWSE, {"source_type": "local", "source_path": "/", "name": "n", "exclude": "*.tmp"})
    assert token(b"in") in page.content.decode()
    form = {"use": "source:/in", "source_type": "local", "name": "n", "exclude": "*.tmp"}
    shown = browser.post("/admin/jobs/job/add/back/", form).context["adminform"].form.initial
    assert (shown["source_path"], shown["name"], shown["exclude"]) == ("/in", "n", "*.tmp")
    assert not Job.objects.exists()


def test_a_preview_before_saving_starts_nothing_and_can_be_discarded(browser, storage):
    values = {"source_type": "local", "source_path": "/in", "sink_type": "local", "sink_path": "/out"}
    options = {"verify": "readback", "max_attempts": 5, "when_changing": "fail", "quiet_seconds": 60}
    browser.post("/admin/jobs/job/add/", {**values, **options, "_preview": "1"})
    job = Job.objects.get()
    assert (job.status, job.scans.get().is_preview) == ("paused", True)
    page = browser.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert "has not been started" in page
    back = browser.post(reverse("admin:jobs_job_discard", args=[job.pk]))
    assert back.context["adminform"].form.initial["sink_path"] == "/out"
    assert not Job.objects.exists()


def test_a_job_that_was_started_is_never_discarded(browser, make_job):
    started = make_job(status="paused")
    builders.put(started, "completed")
    running = make_job()
    for job in (started, running):
        browser.post(reverse("admin:jobs_job_discard", args=[job.pk]))
    assert Job.objects.count() == 2 and not drafts.is_draft(running)


def test_a_draft_of_somebody_else_is_discarded_only_by_those_who_may_kill_it(make_user, browser_of, storage):
    paths = {"source_type": "local", "source_path": "in", "sink_type": "local", "sink_path": "out"}
    job = drafts.draft_job(actor="user:ann", owner=make_user(), **paths)
    page, address = (reverse(f"admin:jobs_job_{name}", args=[job.pk]) for name in ("change", "discard"))
    sees, kills = ("view_all_jobs", "view_job", "add_job"), ("view_all_jobs", "view_job", "add_job", "kill_job")
    colleague = browser_of(make_user(*sees, is_staff=True))
    assert colleague.post(address).status_code == 403 and Job.objects.exists()
    assert "has not been started" in (shown := colleague.get(page).content.decode()) and address not in shown
    operator = browser_of(make_user(*kills, is_staff=True))
    assert address in operator.get(page).content.decode()
    assert operator.post(address).status_code == 200 and not Job.objects.exists()


def test_draining_wants_its_permission_and_is_asked_once(make_user, browser_of, db):
    slave = builders.new_slave("slave-001")
    address = reverse("admin:jobs_slave_drain", args=[slave.pk])
    assert browser_of(make_user("view_slave", is_staff=True)).post(address).status_code == 403
    assert Slave.objects.get().drain_requested_at is None
    allowed = browser_of(make_user("view_slave", "drain_slave", is_staff=True))
    assert allowed.get(address).status_code == 405
    allowed.post(address)
    first = Slave.objects.get().drain_requested_at
    allowed.post(address)
    assert first is not None and Slave.objects.get().drain_requested_at == first


def test_paths_are_found_by_their_beginning_and_by_a_part(browser, make_job):
    job = make_job()
    for path in (b"a/x.txt", b"a/y.txt", b"b/x.txt"):
        builders.put(job, "completed", path)
    for asked, found in (("a/", 2), ("/a/x", 1), ("*x.txt", 2), ("x.txt", 0)):
        page = browser.get("/admin/jobs/task/", {"q": asked, "job__exact": str(job.pk)})
        assert page.context["cl"].result_count == found, asked


def test_a_task_says_why(browser, make_job):
    task = builders.put(make_job(), "failed", b"a", reason_code="SINK_NO_SPACE", reason_text="no space left")
    page = browser.get(reverse("admin:jobs_task_change", args=[task.pk])).content.decode()
    for words in ("Given up for now", "no space left", "Make room", "0 of 5 at this version", "Seen at the source"):
        assert words in page
    assert services.retry_task(task, actor="user:x") == 1
