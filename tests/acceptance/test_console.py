"""The console in a browser, over one running system: web, scheduler, a slave, real files."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.acceptance.browser import NARROW, WIDE, Visitor, chromium
from tests.acceptance.processes import Processes, eventually
from tests.acceptance.product import Product

NAME, PASSWORD = "admin", "only-for-tests"
HOSTILE = b"<img src=x onerror=alert(1)>\n\xe2\x80\xae\xd7\xa9\xd7\x9c.txt"
MB = 1 << 20
#: Where pictures of the pages go, for people to look at.
PICTURES = os.environ.get("SYNCF_TEST_PICTURES", "")


@pytest.fixture(scope="module")
def system(database_template, tmp_path_factory):
    home = tmp_path_factory.mktemp("console")
    with database_template.copy() as url:
        with Processes(home / "logs") as processes:
            product = Product(processes, database_url=url, base=home / "base")
            product.manage("collectstatic", "--noinput", "--verbosity", "0")
            source = product.base / "in"
            (source / "sub").mkdir(parents=True)
            (source / "sub" / "small.txt").write_text("hello")
            (source / os.fsdecode(HOSTILE)).write_text("odd")
            (source / "big.bin").write_bytes(os.urandom(24 * MB))
            (product.base / "other").mkdir()
            (product.base / "other" / "a.txt").write_text("a")
            web = product.start_web()
            product.start_scheduler()
            product.start_slave("slave-001")
            product.address = web.address
            yield product
        product.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def visitor(system, browser):
    visitor = Visitor(browser, system.address)
    visitor.sign_in(NAME, PASSWORD)
    return visitor


def percent(page) -> float:
    return float(page.locator(".syncf-bigbar progress").get_attribute("value"))


def press(page, name: str) -> None:
    page.locator(".syncf-verbs").get_by_role("button", name=name, exact=True).click()


def picture(visitor, name: str) -> None:
    if PICTURES:
        visitor.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=not name.startswith(("running", "docs")))


def test_a_job_from_the_form_to_its_end(system, visitor):
    """Chosen, tried, previewed, started, watched, paused in the middle of a file, resumed."""
    page = visitor.go("/admin/jobs/job/add/")
    page.fill("#id_name", "photos")
    page.get_by_role("button", name="Browse source…").click()
    page.get_by_role("button", name="in/", exact=True).click()
    assert "<img" in page.inner_text(".syncf-names") and "\\u202E" in page.inner_text(".syncf-names")
    picture(visitor, "browse")
    page.get_by_role("button", name="Use this directory").click()
    assert page.input_value("#id_source_path") == "/in" and page.input_value("#id_name") == "photos"
    page.fill("#id_sink_path", "/out")
    page.get_by_role("button", name="Test connection").click()
    assert "Source: local:/in can be reached." in page.inner_text(".messagelist")
    page.fill("#id_bytes_per_second", str(4 * MB))
    picture(visitor, "form")
    page.get_by_role("button", name="Preview first").click()
    page.wait_for_selector("[data-live=draft] .syncf-table")
    assert "big.bin" in page.inner_text("[data-live=draft]")
    picture(visitor, "draft")
    assert not (system.base / "out" / "big.bin").exists()
    press(page, "Start")

    page.wait_for_selector("[data-live=flight] table")
    page.evaluate("window.isTheSamePage = true")
    first = percent(page)
    eventually(lambda: percent(page) > first, 20, "the bar to move")
    assert page.evaluate("window.isTheSamePage"), "the bar moved without reloading"
    assert "slave-001" in page.inner_text("[data-live=flight]")
    assert percent(page) < 100
    picture(visitor, "running")

    press(page, "Pause")
    page.wait_for_selector(".syncf-states .syncf-paused")
    eventually(lambda: not system.value("SELECT count(*) FROM jobs_task WHERE owner_id IS NOT NULL"), 20, "the pause")
    assert 0 < system.value("SELECT copied_bytes FROM jobs_task WHERE path_display = 'big.bin'") < 24 * MB
    page.fill("#id_bytes_per_second", "")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list a", has_text="photos").click()
    press(page, "Resume")
    page.wait_for_selector(".syncf-states .syncf-completed", timeout=30_000)
    assert percent(page) == 100
    for path in (system.base / "in").rglob("*"):
        if path.is_file():
            assert digest(path) == digest(system.base / "out" / path.relative_to(system.base / "in"))
    assert visitor.complaints == []


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_failure_is_explained_and_retried_by_its_reason_after_its_cause_is_gone(system, visitor):
    (system.base / "blocked" / "a.txt").mkdir(parents=True)
    (system.base / "blocked" / "a.txt" / "in the way").write_text("x")
    job = system.create_job("other", "blocked", name="blocked one")
    page = visitor.go(f"/admin/jobs/job/{job}/change/")
    retry = page.get_by_role("button", name=re.compile("^Retry the files that failed with SINK_KIND_CONFLICT"))
    retry.wait_for(timeout=30_000)
    picture(visitor, "failed")
    visitor.go("/admin/")
    assert "SINK_KIND_CONFLICT" in page.inner_text("[data-live=attention]")
    page.locator("[data-live=attention]").get_by_role("link", name="1 file").click()
    page.locator("#result_list a", has_text="a.txt").click()
    assert "Move the one at the sink out of the way." in page.inner_text("#content")
    picture(visitor, "why")
    (system.base / "blocked" / "a.txt" / "in the way").unlink()
    (system.base / "blocked" / "a.txt").rmdir()
    visitor.go(f"/admin/jobs/job/{job}/change/")
    retry.click()
    page.wait_for_selector(".syncf-states .syncf-completed", timeout=30_000)
    assert (system.base / "blocked" / "a.txt").read_text() == "a"
    assert visitor.complaints == []


def test_kill_asks_first(system, visitor):
    job = system.create_job("other", "killed", name="to be killed", interval=3600)
    page = visitor.go(f"/admin/jobs/job/{job}/change/")
    press(page, "Kill")
    assert "cannot be undone" in page.inner_text("#content")
    page.get_by_role("button", name="Kill 1 job").click()
    page.wait_for_selector(".messagelist")
    assert system.value("SELECT status FROM jobs_job WHERE id = %s", job) == "killed"


@pytest.fixture(scope="module")
def addresses(system):
    """Every page, with something on it: a job that runs again and again, and whose file failed."""
    (system.base / "stuck" / "a.txt").mkdir(parents=True)
    (system.base / "stuck" / "a.txt" / "in the way").write_text("x")
    job = system.create_job("other", "stuck", name="nightly backup of the other one", interval=3600)
    failed = "SELECT id FROM jobs_task WHERE job_id = %s AND status = 'failed'"
    eventually(lambda: system.value(failed, job), 30, "the file to fail")
    return {
        "overview": "/admin/",
        "jobs": "/admin/jobs/job/",
        "job": f"/admin/jobs/job/{job}/change/",
        "add": "/admin/jobs/job/add/",
        "tasks": "/admin/jobs/task/",
        "task": f"/admin/jobs/task/{system.value(failed, job)}/change/",
        "slaves": "/admin/jobs/slave/",
        "slave": f"/admin/jobs/slave/{system.value('SELECT id FROM jobs_slave')}/change/",
        "scans": "/admin/jobs/scan/",
        "scan": f"/admin/jobs/scan/{system.value('SELECT max(id) FROM jobs_scan')}/change/",
        "events": "/admin/jobs/jobevent/",
        "docs": "/api/docs",
        "api": "/api/",
        "api_jobs": "/api/jobs",
        "api_job": f"/api/jobs/{job}",
    }


PAGES = ("overview", "jobs", "job", "add", "tasks", "task", "slaves", "slave", "scans", "scan", "events")
#: Nothing of these is shown at one width alone, so each width is looked at in one of the two colour schemes.
PLAIN_PAGES = ("docs", "api", "api_jobs", "api_job")
LOOKS = [("wide", "light"), ("narrow", "dark"), ("wide", "dark"), ("narrow", "light")]
SIZES = {"wide": WIDE, "narrow": NARROW}


@pytest.mark.parametrize("name", [*PAGES, *PLAIN_PAGES])
def test_everybody_can_read_a_page_on_a_desk_and_on_a_telephone_by_day_and_by_night(visitor, addresses, name):
    visitor.go(addresses[name])
    for width, scheme in LOOKS[:2] if name in PLAIN_PAGES else LOOKS:
        visitor.look(SIZES[width], scheme)
        picture(visitor, f"{name}-{width}-{scheme}")
        assert visitor.hurdles() == [], f"{width}, {scheme}"
        assert visitor.sticks_out() <= 0, width
    visitor.look(WIDE, "light")
    assert visitor.complaints == []


@pytest.mark.parametrize("name", ["api", "api_job"])
def test_the_bar_of_the_browsable_api_covers_nothing_on_a_telephone(visitor, addresses, name):
    page = visitor.go(addresses[name])
    visitor.look(NARROW, "light")
    bar, trail = page.locator(".navbar").bounding_box(), page.locator("ul.breadcrumb").bounding_box()
    visitor.look(WIDE, "light")
    assert bar["y"] + bar["height"] <= trail["y"]


def test_an_address_that_does_not_exist_says_so_and_leads_back(visitor):
    page = visitor.go("/nowhere/<b>")
    assert "SyncF has no page /nowhere/%3Cb%3E." in page.inner_text("body")
    page.get_by_role("link", name="To the overview").click()
    page.wait_for_url("**/admin/")


@pytest.mark.parametrize("name", ["overview", "jobs"])
def test_a_page_nobody_looks_at_asks_for_nothing(system, browser, visitor, addresses, name):
    onlooker = Visitor(browser, system.address, storage_state=visitor.page.context.storage_state())
    page, asked = onlooker.page, []
    page.clock.install()
    onlooker.go(addresses[name])
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/live/**"):
        page.clock.run_for(3_000)
    onlooker.hide(True)
    asked.clear()
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_response("**/live/**"):
        onlooker.hide(False)
    assert onlooker.complaints == []
    page.context.close()


def test_without_script_the_pages_say_the_same(system, browser, visitor):
    cookies = visitor.page.context.storage_state()
    other = Visitor(browser, system.address, storage_state=cookies, java_script_enabled=False)
    page = other.go("/admin/")
    assert "photos" not in page.inner_text("[data-live=jobs]") and "completed" in page.inner_text("[data-live=tiles]")
    page = other.go("/admin/jobs/job/add/")
    page.get_by_role("button", name="Browse sink…").click()
    page.get_by_role("button", name="other/").click()
    page.get_by_role("button", name="Use this directory").click()
    assert page.input_value("#id_sink_path") == "/other"
    other.page.context.close()


def test_a_slave_is_drained_by_its_button(system, visitor):
    slave = system.rows("SELECT id FROM jobs_slave")[0]["id"]
    page = visitor.go(f"/admin/jobs/slave/{slave}/change/")
    page.get_by_role("button", name="Drain").click()
    assert "takes no more work" in page.inner_text(".messagelist")
    eventually(lambda: system.value("SELECT state FROM jobs_slave") == "offline", 25, "the slave to end")
