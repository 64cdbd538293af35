"""What the admin's pages show, what they cost, and what they never offer."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from jobs.admin.base import CappedPaginator
from jobs.counters import Tally
from jobs.models import Job, JobEvent, Scan, Slave, Task
from tests.unit.jobs import builders

LIST = "/admin/jobs/job/"
MODELS: tuple[type[Model], ...] = (Job, Task, Scan, JobEvent, Slave)


@pytest.fixture
def one_of_each(make_job) -> dict[str, Model]:
    job = make_job(name="nightly")
    task = job.tasks.create(
        **{"kind": "file", "path": b"x\n", "path_sha256": b"x", "path_display": "dir/<b>x\\n", "size": 100},
        **{"copied_bytes": 25, "status": "failed", "reason_code": "SINK_IO_ERROR", "reason_text": "broken"},
    )
    scan = job.scans.create(new=3, finished_at=timezone.now())
    scan.findings.create(verdict="error", path_display="lost/file", reason_code="SOURCE_IO_ERROR")
    event = job.events.create(actor="user:x", action="pause", task=task)
    slave = Slave.objects.create(
        name="slave-001", host="here", machine_id="m", pid=1, concurrency=2, lease_expires_at=timezone.now()
    )
    return {"job": job, "task": task, "scan": scan, "jobevent": event, "slave": slave}


def url(row: Model, page: str, *args) -> str:
    return reverse(f"admin:jobs_{row._meta.model_name}_{page}", args=args)


def test_every_list_and_page_renders_and_can_be_searched(browser, one_of_each):
    for row in one_of_each.values():
        assert browser.get(url(row, "changelist")).status_code == 200
        assert browser.get(url(row, "changelist"), {"q": "x"}).status_code == 200
        assert browser.get(url(row, "change", row.pk)).status_code == 200
    assert "lost/file" in browser.get(url(one_of_each["scan"], "change", one_of_each["scan"].pk)).content.decode()


def test_nobody_deletes_and_history_is_read_only(browser, one_of_each):
    for name, row in one_of_each.items():
        assert browser.post(url(row, "delete", row.pk), {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        browser.post(url(row, "changelist"), chosen)
        assert type(row)._default_manager.filter(pk=row.pk).exists()
        assert "deletelink" not in browser.get(url(row, "change", row.pk)).content.decode()
        if name != "job":
            assert browser.get(url(row, "add")).status_code == 403
            assert browser.post(url(row, "change", row.pk), {"status": "pending"}).status_code == 403


def test_a_superuser_does_not_delete_either(admin_client, one_of_each):
    for row in one_of_each.values():
        assert admin_client.post(url(row, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_a_row_shows_status_progress_and_why_it_is_parked(browser, make_job):
    job = make_job(parked_code="ROOT_CHANGED", parked_text="unmounted?", status="paused")
    tally = Tally()
    tally.move(job.pk, "file", 75, None, "completed")
    tally.move(job.pk, "file", 25, None, "failed")
    tally.write()
    page = browser.get(LIST).content.decode()
    assert '<span class="syncf-badge syncf-paused">paused</span>' in page
    assert 'max="100" value="75">75 %</progress>' in page
    assert "ROOT_CHANGED: unmounted?" in page
    assert f'<a href="/admin/jobs/task/?job__exact={job.pk}&amp;status__exact=failed">1</a>' in page


def test_a_completed_job_with_failed_files_is_not_shown_as_a_success(browser, make_job):
    broken, sound = make_job(status="completed"), make_job(status="completed")
    tally = Tally()
    for number in range(15):
        tally.move(broken.pk, "file", number, None, "failed")
    tally.write()
    shown = '<span class="syncf-badge syncf-warning">completed, 15 failed</span>'
    success = '<span class="syncf-badge syncf-completed">completed</span>'
    page = browser.get(LIST).content.decode()
    assert page.count(shown) == 1 and page.count(success) == 1
    assert shown in browser.get(url(broken, "change", broken.pk)).content.decode()
    assert success in browser.get(url(sound, "change", sound.pk)).content.decode()


def test_a_jobs_history_button_leads_to_its_events(browser, one_of_each):
    job = one_of_each["job"]
    page = browser.get(url(job, "change", job.pk)).content.decode()
    [link] = re.findall(r'<a href="([^"]*)" class="historylink">', page)
    assert "user:x" in browser.get(link).content.decode()


def test_times_are_shown_to_the_second_with_their_zone(browser, one_of_each):
    at = datetime(2026, 11, 22, 13, 44, 5, tzinfo=UTC)
    JobEvent.objects.update(at=at)
    for page, args in (("changelist", []), ("change", [one_of_each["jobevent"].pk])):
        assert "2026-11-22 13:44:05 UTC" in browser.get(url(one_of_each["jobevent"], page, *args)).content.decode()


@pytest.mark.parametrize("status", ["paused", "completed", "killed"])
def test_a_job_that_is_not_running_has_no_next_scan(browser, make_job, status):
    job = make_job(status=status, next_scan_at=timezone.now() + timedelta(days=3))
    for page in (browser.get(LIST), browser.get(url(job, "change", job.pk))):
        assert "in 2\xa0days" not in page.content.decode()


def test_live_slaves_come_first(browser, one_of_each):
    fields = {"host": "here", "machine_id": "m", "pid": 1, "concurrency": 2, "lease_expires_at": timezone.now()}
    Slave.objects.create(name="slave-gone", state="offline", **fields)
    page = browser.get(url(one_of_each["slave"], "changelist")).content.decode()
    assert page.index("slave-001") < page.index("slave-gone")


def test_the_link_from_a_job_leads_to_its_files_of_that_status(browser, make_job):
    for job in (make_job(), make_job()):
        for number, status in enumerate(("pending", "skipped")):
            job.tasks.create(
                **{"kind": "file", "path": b"%d" % number, "path_sha256": b"%d" % number, "status": status},
                **{"path_display": f"{job.pk}-{status}", "reason_code": "SPECIAL_FILE"},
            )
    page = browser.get(f"/admin/jobs/task/?job__exact={job.pk}&status__exact=skipped").content.decode()
    assert f"{job.pk}-skipped" in page
    assert "1 task" in page and f"{job.pk}-pending" not in page


def test_odd_names_are_escaped(browser, one_of_each):
    for page in ("changelist", "change"):
        args = [one_of_each["task"].pk] if page == "change" else []
        shown = browser.get(url(one_of_each["task"], page, *args)).content.decode()
        assert "dir/&lt;b&gt;x\\n" in shown
        assert "<b>x" not in shown


def test_rows_of_foreign_jobs_are_hidden(make_user, browser_of, one_of_each):
    stranger = browser_of(make_user("view_job", "view_task", "view_scan", "view_jobevent", is_staff=True))
    for name in ("job", "task", "scan", "jobevent"):
        row = one_of_each[name]
        assert stranger.get(url(row, "change", row.pk)).status_code == 302
        assert f"/{row.pk}/change/" not in stranger.get(url(row, "changelist")).content.decode()


def test_the_list_of_jobs_costs_the_same_whatever_is_on_it(
    admin_client, make_job, django_assert_num_queries, django_assert_max_num_queries
):
    make_job().scans.create()
    with django_assert_max_num_queries(15) as first:
        admin_client.get(LIST)
    for _ in range(20):
        make_job().scans.create()
    with django_assert_num_queries(len(first)):
        admin_client.get(LIST)


def test_the_list_of_tasks_counts_no_further_than_it_shows(admin_client, one_of_each, django_assert_max_num_queries):
    with django_assert_max_num_queries(10) as queries:
        admin_client.get("/admin/jobs/task/")
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper() and "jobs_task" in query["sql"]]
    assert counts
    assert all(f"LIMIT {CappedPaginator.CAP}" in sql for sql in counts)


def test_pages_need_neither_inline_script_nor_inline_style_of_ours(browser, one_of_each):
    job = one_of_each["job"]
    for address in (LIST, url(job, "change", job.pk)):
        page = browser.get(address).content.decode()
        assert "<progress" in page and "jobs/admin.css" in page
        assert " onclick=" not in page and " style=" not in page


def test_api_tokens_can_be_revoked_but_not_made_by_form(admin_client, admin_user):
    token, _ = AuthToken.objects.create(admin_user)
    assert admin_client.get("/admin/knox/authtoken/add/").status_code == 403
    page = admin_client.get("/admin/knox/authtoken/").content.decode()
    assert token.token_key in page
    admin_client.post(f"/admin/knox/authtoken/{token.pk}/delete/", {"post": "yes"})
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize(("page", "shown"), [(1, 100), (2, 100), (3, 50)])
def test_what_is_pending_is_listed_files_first_each_on_one_page(browser, make_job, page, shown):
    job = make_job()
    rows = [builders.unsaved(job, "pending", b"file-%03d" % number) for number in range(130)]
    rows += [builders.unsaved(job, "pending", b"directory-%03d/" % number) for number in range(120)]
    Task.objects.bulk_create(rows)
    chosen = {"job__exact": job.pk, "status__exact": "pending", "p": page}
    text = browser.get("/admin/jobs/task/", chosen).content.decode()
    everything = [f"file-{n:03}" for n in range(129, -1, -1)] + [f"directory-{n:03}" for n in range(119, -1, -1)]
    assert re.findall(r"<bdi>(\w+-\d+)", text) == everything[100 * page - 100 :][:shown]
    assert "250 tasks" in text


@pytest.mark.parametrize(("kind", "shown"), [("file", 3), ("symlink", 0), ("directory", 2)])
def test_what_is_pending_can_be_told_apart_by_kind(browser, make_job, kind, shown):
    job = make_job()
    for number in range(5):
        builders.put(job, "pending", b"%d" % number, kind="file" if number < 3 else "directory")
    chosen = {"job__exact": job.pk, "status__exact": "pending", "kind__exact": kind}
    assert len(re.findall("<bdi>", browser.get("/admin/jobs/task/", chosen).content.decode())) == shown


@pytest.mark.parametrize(
    ("phase", "shown"), [("under way", {1}), ("failed", {2}), ("finished", {3}), ("odd", {1, 2, 3})]
)
def test_scans_are_found_by_their_phase(browser, make_job, phase, shown):
    job, other, third = make_job(), make_job(), make_job()
    made = [job.scans.create(), other.scans.create(finished_at=timezone.now(), error_code="ROOT_MISSING")]
    made.append(third.scans.create(finished_at=timezone.now()))
    page = browser.get("/admin/jobs/scan/", {"phase": phase}).content.decode()
    assert {number for number, scan in enumerate(made, 1) if f"#{scan.pk}<" in page} == shown


@pytest.mark.parametrize("name", ["job", "task", "scan", "jobevent", "slave"])
def test_a_list_offers_to_show_all_only_where_something_is_left_out(browser, one_of_each, name):
    assert "Show all" not in browser.get(f"/admin/jobs/{name}/").content.decode()
    assert "Show all" in browser.get(f"/admin/jobs/{name}/", {"q": "nothing of that name"}).content.decode()
