"""No page needs what the Content-Security-Policy forbids, and every response carries the policy."""

from html.parser import HTMLParser

import pytest

HTML = {"HTTP_ACCEPT": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
PAGES = ("admin:index", "admin:jobs_job_changelist", "admin:jobs_job_add", "admin:jobs_task_changelist")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"


class Scripts(HTMLParser):
    """What of a page would be a script of its own: elements with a text, handlers, javascript: addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.found.append("an inline script")
        self.found += [f"{tag} {name}" for name in values if name.startswith("on")]
        self.found += [f"{tag} {value}" for value in values.values() if (value or "").startswith("javascript:")]


def assert_keeps_to_the_policy(answer):
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert Scripts(answer.content.decode()).found == []


def test_what_the_policy_is_for_would_be_noticed():
    assert Scripts("<a onclick='x'><script>y</script><a href='javascript:z'>").found == [
        *("a onclick", "an inline script", "a javascript:z")
    ]


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_the_admin(browser, make_job, page):
    from django.urls import reverse

    make_job(name=HOSTILE)
    assert_keeps_to_the_policy(browser.get(reverse(page)))


def test_a_job_with_a_hostile_name(browser, make_job):
    from django.urls import reverse

    job = make_job(name=HOSTILE)
    for address in (reverse("admin:jobs_job_change", args=[job.pk]), reverse("admin:jobs_job_history", args=[job.pk])):
        assert_keeps_to_the_policy(browser.get(address))


def test_pages_of_the_api(browser, make_job):
    job = make_job(name=HOSTILE)
    for address in ("/api", "/api/jobs", f"/api/jobs/{job.pk}", f"/api/jobs/{job.pk}/tracking"):
        assert_keeps_to_the_policy(browser.get(address, **HTML))


@pytest.mark.parametrize("address", ["/health", "/api/jobs", "/nothing", "/admin/login/", "/favicon.ico"])
def test_every_response_carries_it(db, client, address):
    assert "script-src 'self'" in client.get(address).headers["Content-Security-Policy"]
