"""Default deny, at every address and for every method there is: for nobody, for users without permissions, and for
the owner of something else. The addresses come from the resolver, so a new one is walked from the day it is added."""

import json
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client

from jobs.models import Job, JobEvent, Scan, Slave, Task
from tests.integration.admin.test_policy import HTML, Scripts
from tests.integration.site.addresses import METHODS, Address, addresses
from tests.integration.site.people import LEAK, all_permissions_but, make_things, signed_in, unknown

pytestmark = pytest.mark.django_db
EVERYWHERE = addresses()

#: What anybody may ask, and nothing of anybody's is told there.
FOR_ANYBODY = {"/", "/admin", "/favicon.ico", "/health", "/admin/login/", "/admin/logout/"}
#: What every user may ask, with a key or (the admin) as a member of staff.
FOR_EVERY_USER = {"/api", "/api/", "/api/docs", "/api/schema"}
FOR_STAFF = {"/admin/", "/admin/password_change/", "/admin/password_change/done/", "/admin/jsi18n/"}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
#: They answer everything alike and do nothing.
PLAIN = {"/", "/admin", "/favicon.ico"}
#: Not owned: whoever holds view_slave sees all slaves (and drain_slave may have them drain).
NOT_OWNED = {
    *("/api/slaves/{pk}", "/admin/jobs/slave/{object_id}/change/", "/admin/jobs/slave/{object_id}/history/"),
    *("/api/slaves/{pk}/drain", "/admin/jobs/slave/{object_id}/drain/"),
    # of a storage, for whoever may make a job of it
    *("/admin/jobs/job/add/browse/{side}/", "/api/storages/{alias}/browse", "/api/storages/{alias}/test"),
}


@pytest.fixture(autouse=True)
def patient(monkeypatch, settings):
    """These walks ask more often than anybody may."""
    monkeypatch.setattr("jobs.api.throttling.REFUSED_A_MINUTE", 1_000_000)
    settings.API_REQUESTS_PER_MINUTE = 1_000_000


@pytest.fixture
def things(db):
    return make_things(User.objects.create_user("owner", password="canary"))


def walk(client: Client, fill, methods=METHODS, places=EVERYWHERE, **headers):
    """(address, method, answer) of everything."""
    for address in places:
        for method in methods:
            answer = client.generic(method, address.filled(fill(address)), b"{}", "application/json", **headers)
            yield address, method, answer


def text_of(answer) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


def leads_to_login(answer) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/admin/login/?next=")


def state() -> list[str]:
    """All that these walks must not change."""
    return [serializers.serialize("json", model.objects.order_by("pk")) for model in (Job, Task, Scan, JobEvent, Slave)]


def test_the_walk_sees_the_whole_site():
    templates = {address.template for address in EVERYWHERE}
    assert {"/api/jobs/{pk}/tracking", "/api/jobs/{pk}/scans/{scan_id}", "/api/jobs/{pk}/report.csv"} <= templates
    assert {"/admin/jobs/job/{object_id}/do/{verb}/", "/admin/jobs/task/", "/health", "/api/schema"} <= templates
    assert templates >= FOR_ANYBODY | FOR_EVERY_USER | FOR_STAFF | NOT_OWNED


def test_a_parameter_that_nobody_explained_is_noticed():
    with pytest.raises(AssertionError, match=r"people\.py what \['new_id'\]"):
        Address("/x/{new_id}", ("new_id",)).filled({"pk": "1"})


@pytest.mark.parametrize("headers", [{}, HTML], ids=["json", "html"])
def test_nobody_gets_anywhere(things, headers):
    before = state()
    for address, method, answer in walk(Client(), things.values, **headers):
        where = (address.template, method, answer.status_code)
        assert LEAK not in text_of(answer), where
        if address.template in FOR_ANYBODY:
            assert answer.status_code < 500, where
        elif address.template.startswith("/api"):
            assert answer.status_code == 401 and answer["WWW-Authenticate"] == "Token", where
        else:
            assert answer.status_code in (401, 403) or leads_to_login(answer), where
    assert state() == before


def test_a_user_without_permissions_gets_nothing_of_the_api(things, django_user_model):
    client = signed_in(django_user_model.objects.create_user("nobody"), with_key=True)
    before = state()
    for address, method, answer in walk(client, things.values):
        where = (address.template, method, answer.status_code)
        if not address.template.startswith("/api") or address.template in FOR_EVERY_USER:
            continue
        assert answer.status_code in (403, 404, 405), where
        assert LEAK not in text_of(answer), where
        assert method == "HEAD" or answer.json().keys() == {"code", "message", "field", "hint"}, where
    assert state() == before


@pytest.mark.parametrize("is_staff", [False, True], ids=["user", "staff"])
def test_a_browser_without_permissions_gets_nothing_of_the_admin(things, django_user_model, is_staff):
    user = django_user_model.objects.create_user("nobody", is_staff=is_staff)
    before = state()
    places = [address for address in EVERYWHERE if address.template != "/admin/logout/"]  # the walk would end there
    for address, method, answer in walk(signed_in(user, with_key=False), things.values, places=places, **HTML):
        where = (address.template, method, answer.status_code)
        assert LEAK not in text_of(answer), where
        if address.template in FOR_ANYBODY | FOR_EVERY_USER | (FOR_STAFF if is_staff else set()):
            assert answer.status_code < 500, where
        elif address.template.startswith("/admin") and not is_staff:
            assert leads_to_login(answer), where
        else:  # staff: a short form leads to the long one, what is not there to the start
            is_short_form = answer.status_code == 302 and answer["Location"].endswith(("/change/", "/admin/"))
            says_methods_only = method == "OPTIONS" and not answer.content
            assert answer.status_code in (403, 404, 405) or is_short_form or says_methods_only, where
    assert state() == before


def test_no_browser_changes_anything_without_the_csrf_token(things, admin_user):
    """Not even that of somebody who may do everything: another site's form sends the cookie, but not the token."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin_user)
    before = state()
    places = [address for address in EVERYWHERE if address.template not in PLAIN]
    for address, method, answer in walk(browser, things.values, methods=UNSAFE, places=places):
        where = (address.template, method, answer.status_code)
        assert answer.status_code in (403, 405), where
    assert state() == before


def test_a_foreign_thing_looks_to_the_api_exactly_like_one_that_is_not_there(things, django_user_model):
    user = django_user_model.objects.create_user("another")
    user.user_permissions.set(all_permissions_but("view_all_jobs"))
    client, before = signed_in(user, with_key=True), state()
    owned = [a for a in EVERYWHERE if a.template.startswith("/api") and a.names and a.template not in NOT_OWNED]
    foreign = walk(client, things.values, places=owned)
    missing = walk(client, unknown, places=owned)
    for (address, method, answer), (_, _, other) in zip(foreign, missing, strict=True):
        where = (address.template, method, answer.status_code)
        assert answer.status_code in (404, 405), where
        assert (text_of(answer), answer.status_code) == (text_of(other), other.status_code), where
    assert state() == before


def test_a_foreign_thing_looks_to_the_admin_exactly_like_one_that_is_not_there(things, django_user_model):
    user = django_user_model.objects.create_user("another", is_staff=True)
    user.user_permissions.set(all_permissions_but("view_all_jobs"))
    client, before = signed_in(user, with_key=False), state()
    owned = [a for a in EVERYWHERE if a.template.startswith("/admin/jobs/") and a.names and a.template not in NOT_OWNED]
    for address in owned:
        for method in ("GET", "POST", "DELETE"):
            answers = []
            for values in (things.values(address), unknown(address)):
                answer = client.generic(
                    method, address.filled(values), b"post=yes", "application/x-www-form-urlencoded"
                )
                told = unquote(answer.get("Location", "")) + text_of(answer)
                told = told.replace(f"/{values['object_id']}/", "/ID/")
                answers.append((answer.status_code, told))
            assert answers[0] == answers[1], (address.template, method)
            assert answers[0][0] in (302, 403, 404, 405) and LEAK not in answers[0][1], (address.template, method)
    assert state() == before


def test_no_list_shows_what_is_foreign(things, django_user_model):
    user = django_user_model.objects.create_user("another", is_staff=True)
    user.user_permissions.set(all_permissions_but("view_all_jobs"))
    places = [address for address in EVERYWHERE if not address.names and address.template not in FOR_ANYBODY]
    lists = [address for address in places if "slave" not in address.template]
    for client in (signed_in(user, with_key=True), signed_in(user, with_key=False)):
        for query in ("", f"?job__exact={things.job.pk}", f"?q={LEAK}", f"?job={things.job.pk}"):
            for address in lists:
                answer = client.get(address.template + query, **HTML)
                assert answer.status_code < 500, (address.template, query)
                assert "alert(" not in text_of(answer), (address.template, query)  # what was searched for is shown


def test_actions_of_a_list_do_nothing_to_what_is_foreign(things, django_user_model):
    user = django_user_model.objects.create_user("another", is_staff=True)
    user.user_permissions.set(all_permissions_but("view_all_jobs"))
    client, before = signed_in(user, with_key=False), state()
    for action in ("pause", "resume", "run", "preview", "retry", "kill", "delete_selected"):
        form = {"action": action, "_selected_action": str(things.job.pk), "confirmed": "yes", "post": "yes"}
        assert client.post("/admin/jobs/job/", form).status_code < 500
    assert state() == before


def test_no_page_runs_what_a_name_says(things, admin_user):
    """As somebody who may see everything: each page keeps to the policy, and each name is text."""
    seen = 0
    for client in (signed_in(admin_user, with_key=False), signed_in(admin_user, with_key=True)):
        for address, _, answer in walk(client, things.values, methods=("GET",), **HTML):
            where = (address.template, answer.status_code)
            assert answer.status_code < 500, where
            assert "script-src 'self'" in answer["Content-Security-Policy"], where
            assert "X-Injected" not in answer.headers, where
            if not answer.get("Content-Type", "").startswith("text/html"):
                continue
            page = text_of(answer)
            seen += LEAK in page
            assert "<script>alert" not in page and "<img src=x" not in page, where
            assert Scripts(page).found == [], where
    assert seen > 15  # the names were there


def test_every_row_of_the_owners_carries_the_mark(things):
    for model, column in (
        (Job, "name"),
        (Task, "path_display"),
        (JobEvent, "text"),
        (Scan, "error_text"),
        (Slave, "host"),
    ):
        assert LEAK in json.dumps(getattr(model.objects.get(), column))
