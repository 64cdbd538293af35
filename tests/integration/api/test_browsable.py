"""A person signed in at the site creates and steers jobs with the forms on the pages, as a browser would."""

from html.parser import HTMLParser

import pytest
from django.test import Client

from jobs.models import Job

HTML = {"HTTP_ACCEPT": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class Forms(HTMLParser):
    """The forms of a page that a browser can send: (action, {name: value})."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.posts: list[tuple[str, dict[str, str]]] = []
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form":
            self._open = values.get("method", "get").lower() == "post"
            if self._open:
                self.posts.append((values["action"], {}))
        elif self._open and tag in ("input", "textarea", "select") and "name" in values:
            self.posts[-1][1][values["name"]] = values.get("value") or ""

    def handle_endtag(self, tag):
        self._open = self._open and tag != "form"


@pytest.fixture
def browser(user) -> Client:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


def send(browser, address: str, action: str, **changes):
    """Open the page, fill in its form for `action`, press the button."""
    page = browser.get(address, **HTML)
    fields = next(fields for url, fields in Forms(page.content.decode()).posts if url == action)
    return browser.post(action, {**fields, **changes}, **HTML)


def test_a_job_is_created_by_the_form_on_the_list(browser, storage):
    filled = {"source_path": "/in", "sink_path": "/out", "interval": "5m", "exclude": "*.o\r\n*.tmp\r\n"}
    answer = send(browser, "/api/jobs", "/api/jobs", **filled)
    assert answer.status_code == 201
    job = Job.objects.get()
    assert (job.source_type, job.exclude, job.bytes_per_second) == ("local", "*.o\n*.tmp", None)


def test_a_refused_form_comes_back_filled_in_with_the_error_at_its_field(browser, storage):
    for wrong, said in [({"source_path": "/in/../x"}, "not a plain path"), ({"interval": "5"}, "not a duration")]:
        answer = send(browser, "/api/jobs", "/api/jobs", **{"source_path": "/in", "sink_path": "/o<b>", **wrong})
        page = answer.content.decode()
        assert answer.status_code == 400
        block = page[page.index(f'name="{next(iter(wrong))}"') :]
        assert said in block[: block.index("form-group")]
        assert "/o&lt;b&gt;" in page and "/o<b>" not in page
    assert not Job.objects.exists()


def test_the_jobs_page_has_a_button_for_every_verb(browser, job):
    url = f"/api/jobs/{job.pk}"
    assert send(browser, url, f"{url}/pause").status_code == 200
    job.refresh_from_db()
    assert job.status == "paused"
    page = send(browser, url, f"{url}/resume").content.decode()
    job.refresh_from_db()
    assert job.status == "running"
    assert {f"{url}/{verb}" for verb in ("pause", "resume", "run", "preview", "retry")} <= {
        action for action, _ in Forms(page).posts
    }


def test_a_button_without_its_csrf_token_does_nothing(browser, job):
    assert browser.post(f"/api/jobs/{job.pk}/pause", **HTML).status_code == 403
    job.refresh_from_db()
    assert job.status == "running"


def test_only_what_a_person_may_do_has_a_button(make_user, make_job):
    onlooker = make_user("view_job")
    job = make_job(owner=onlooker)
    browser = Client()
    browser.force_login(onlooker)
    for address in (f"/api/jobs/{job.pk}", "/api/jobs"):
        posts = Forms(browser.get(address, **HTML).content.decode()).posts
        assert [action for action, _ in posts] == ["/admin/logout/"]


@pytest.mark.django_db
def test_an_anonymous_page_offers_the_login_and_nothing_else():
    answer = Client().get("/api/jobs", **HTML)
    page = answer.content.decode()
    assert answer.status_code == 401
    assert 'href="/admin/login/?next=/api/jobs"' in page
    assert Forms(page).posts == []


def test_every_page_renders(browser, job):
    scan = job.scans.create()
    for path in ("", "jobs", f"jobs/{job.pk}", *(f"jobs/{job.pk}/{name}" for name in ("tracking", "scans", "events"))):
        assert browser.get(f"/api/{path}", **HTML).status_code == 200, path
    assert browser.get(f"/api/jobs/{job.pk}/scans/{scan.pk}", **HTML).status_code == 200
    assert browser.get(f"/api/jobs/{job.pk}/pause", **HTML).status_code == 405
    assert browser.get("/api/nonsense", **HTML).status_code == 404


def test_odd_names_are_escaped_on_the_page(browser, make_job):
    job = make_job(name="<script>alert(1)</script>", source_path='/"><img src=x>')
    page = browser.get(f"/api/jobs/{job.pk}", **HTML).content.decode()
    assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.django_db
def test_a_browser_without_login_is_told_to_log_in():
    answer = Client().get("/api/jobs", **HTML)
    page = answer.content.decode()
    assert answer.status_code == 401
    assert "log in with the link at the top right" in page
    assert 'href="/admin/login/?next=/api/jobs"' in page


def test_browsers_find_no_icon_without_a_warning():
    assert Client().get("/favicon.ico").status_code == 204
