"""Every exit code that docs/commands.md promises, of the commands as they are typed."""

import re
import signal

import pytest

from tests.acceptance.processes import ROOT, eventually

MISSING = "file:///nowhere/at/all"
NOBODY = "127.0.0.1:1"
#: (command, code) → (arguments, variables) of one that ends by itself. KILLED: the id of such a job.
CASES = {
    ("sync", 0): ("sync in out", {}),
    ("sync", 1): ("sync in blocked", {}),
    ("sync", 2): ("sync missing out", {}),
    ("jobs", 0): ("jobs list", {}),
    ("jobs", 1): ("jobs pause KILLED", {}),
    ("jobs", 2): ("jobs show 00000000", {}),
    ("jobs out of reach", 1): ("jobs list", {"DATABASE_URL": f"postgres://nobody@{NOBODY}/none"}),
    ("jobs without tables", 2): ("jobs list", {"DATABASE_URL": "sqlite://:memory:"}),
    ("apitoken out of reach", 1): ("apitoken admin", {"DATABASE_URL": f"postgres://nobody@{NOBODY}/none"}),
    ("jobs usage", 2): ("jobs no-such-verb", {}),
    ("janitor", 0): ("janitor", {}),
    ("janitor", 1): ("janitor", {"STORAGE_GONE": MISSING}),
    ("janitor", 2): ("janitor no_such_storage", {}),
    ("janitor usage", 2): ("janitor --no-such-option", {}),
    ("runslave", 2): ("runslave Not_A_Name", {}),
    ("runscheduler", 1): ("runscheduler", {"DATABASE_URL": f"postgres://nobody@{NOBODY}/none"}),
    ("runscheduler", 2): ("runscheduler", {"SECRET_KEY": "change-me"}),
    ("run", 2): ("run", {"BASE_PATH": "/nowhere/at/all"}),
    ("apitoken", 0): ("apitoken admin", {}),
    ("apitoken", 1): ("apitoken nobody", {}),
    ("apitoken days", 1): ("apitoken admin --days 0", {}),
    ("apitoken", 2): ("apitoken", {}),
    ("doctor", 1): ("doctor", {"STORAGE_GONE": MISSING}),
    ("doctor", 2): ("doctor --no-such-option", {}),
}
#: Those that end when they are asked to, or meet another of their kind.
ASKED = {("jobs", 130), ("runslave", 0), ("runslave", 1), ("runscheduler", 0), ("doctor", 0)}
ELSEWHERE = {
    ("sync", 130): "tests/acceptance/test_sync_command.py",
    ("run", 0): "tests/acceptance/test_run_command.py",
    ("run", 1): "tests/acceptance/test_run_command.py",
}


@pytest.fixture
def jobs(product):
    """A directory to sync, two sinks where it can't arrive, and a job that was killed."""
    (product.base / "in").mkdir()
    (product.base / "in" / "a").write_text("a")
    (product.base / "blocked" / "a").mkdir(parents=True)
    (product.base / "blocked" / "a" / "in the way").write_text("x")
    (product.base / "failing" / "a" / "in the way").mkdir(parents=True)
    options = ("--noinput", "--username", "admin", "--email", "admin@example.org")
    product.manage("createsuperuser", *options, DJANGO_SUPERUSER_PASSWORD="only-for-tests")
    killed = product.create_job("in", "killed")
    product.steer("kill_job", killed)
    return {"KILLED": killed}


def ended(product, arguments, **variables):
    process = product.processes.manage(*arguments, environment={**product.environment, **variables}, cwd=product.base)
    eventually(lambda: process.code is not None, 60, f"{' '.join(arguments)} to end")
    assert "Traceback" not in process.err
    return process


def test_a_command_ends_as_it_is_written(product, jobs):
    """One installation for all: none needs what another one left, and starting anew takes longer than they do."""
    for (name, code), (arguments, variables) in CASES.items():
        words = [str(jobs.get(word, word)) for word in arguments.split()]
        process = ended(product, words, **variables)
        assert process.code == code, f"{name}: {process.out}{process.err}"


def test_watching_tells_by_its_code_whether_everything_arrived(product, jobs):
    failing = product.create_job("in", "failing")
    scheduler, slave = product.start_scheduler(), product.start_slave()
    product.wait_for_job(failing)
    assert ended(product, ["jobs", "watch", str(failing)]).code == 1
    scheduler.stop()
    slave.stop()


def test_ctrl_c_ends_watching(product, jobs):
    job = product.create_job("in", "out")
    watching = product.processes.manage("jobs", "watch", str(job), environment=product.environment)
    eventually(lambda: watching.out, 30, "the first line")
    assert watching.stop(signal.SIGINT) == 130


def test_slave_and_scheduler_end_with_0_when_asked_and_a_second_slave_of_the_name_with_1(product):
    scheduler, slave = product.start_scheduler(), product.start_slave("slave-001")
    eventually(lambda: product.value("SELECT count(*) FROM jobs_slave WHERE state = 'online'"), 30, "the slave")
    eventually(lambda: product.value("SELECT count(*) FROM jobs_lease"), 30, "the scheduler to lead")
    assert ended(product, ["runslave", "slave-001"]).code == 1
    assert ended(product, ["doctor"]).code == 0
    assert (slave.stop(), scheduler.stop()) == (0, 0)


def test_every_code_that_is_written_is_shown_by_a_test():
    promised = {
        (command.partition(" ")[0], int(code))
        for line in re.findall(r"^\| `.*\|$", page_of_codes(), re.M)
        for commands, *cells in [[cell.strip() for cell in line.strip("|").split("|")]]
        for command in re.findall(r"`([a-z]+)`", commands)
        for code, cell in zip(("0", "1", "2", "130"), cells, strict=True)
        if cell
    }
    assert len(promised) > 20
    shown = {*CASES, *ASKED, *ELSEWHERE}
    assert promised <= shown, promised - shown
    assert all((ROOT / name).exists() for name in ELSEWHERE.values())


def page_of_codes():
    return (ROOT / "docs/commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
