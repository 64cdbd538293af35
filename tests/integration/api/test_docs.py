"""The page that describes the API: complete, for users only, and nothing but HTML of our own."""

import re

from tests.integration.admin.test_policy import Scripts

HTML = {"HTTP_ACCEPT": "text/html"}


def test_the_page_describes_every_request_and_every_shape(api, client):
    page = api.get("/api/docs").content.decode()
    schema = api.get("/api/schema?format=json").json()
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f"<h2><code>{method.upper()} {path}</code></h2>" in page
    for name, shape in schema["components"]["schemas"].items():
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert [field for field in shape.get("properties", ()) if f"<code>{field}</code>" not in section] == []
        assert section
    assert "Retry-After" in page


def test_every_link_of_the_page_leads_somewhere(api):
    page = api.get("/api/docs").content.decode()
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert len(targets) > 30 and targets <= set(re.findall(r'id="([^"]+)"', page))


def test_the_page_needs_no_script_and_nothing_from_elsewhere(api):
    answer = api.get("/api/docs", **HTML)
    page = answer.content.decode()
    assert answer["Content-Type"].startswith("text/html")
    assert Scripts(page).found == [] and "<script" not in page
    assert not re.search(r'(?:src|href)="(?!/|#)', page)


def test_the_page_is_for_users_only(client, user):
    refused = client.get("/api/docs", **HTML)
    assert refused.status_code == 401 and "/api/jobs" not in refused.content.decode().partition("<main")[2]
    client.force_login(user)
    assert client.get("/api/docs", **HTML).status_code == 200
    assert 'href="/api/docs"' in client.get("/api/", **HTML).content.decode()


def test_every_request_may_be_told_to_wait(api):
    for methods in api.get("/api/schema?format=json").json()["paths"].values():
        for operation in methods.values():
            assert "Retry-After" in operation["responses"]["429"]["headers"]
