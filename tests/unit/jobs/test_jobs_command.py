"""`manage.py jobs`: what it prints, what it does, who it says did it, and its exit codes."""

import io
import json
import os
import pwd
import sys
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from jobs import services, transitions
from jobs.errors import Refusal
from jobs.models import Job, JobEvent, Scan
from jobs.shell import find_job, shell_actor
from jobs.terminal import watch
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """(exit code, stdout, stderr) of `manage.py jobs ARGUMENTS`."""

    def do(*arguments):
        with pytest.raises(SystemExit) as ended:
            call_command("jobs", *map(str, arguments))
        return ended.value.code, *capsys.readouterr()

    return do


@pytest.fixture
def on_a_terminal(monkeypatch):
    """What a person types there."""

    def types(text):
        stdin = io.StringIO(text)
        stdin.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", stdin)

    return types


def completed_job(failed=0, **fields):
    """A run-once job that is through."""
    job, slave = builders.new_job(**fields), builders.new_slave()
    names = [b"good", *(b"bad%d" % number for number in range(failed))]
    for name in names:
        task = builders.claim_one(slave, job, name, size=5)
        transitions.settle(slave, [builders.ending(task, "failed" if name != b"good" else "completed")])
    transitions.move_job(job, "complete", actor="scheduler")
    return job


# ── which job ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_found_by_any_beginning_that_only_it_has(db):
    job = builders.new_job(pk=uuid.UUID("12345678-9abc-4000-8000-000000000001"))
    builders.new_job(pk=uuid.UUID("12345678-9abd-4000-8000-000000000001"))
    for text in ("123456789abc", "12345678-9ABC-4", str(job.pk), job.pk.hex):
        assert find_job(text) == job


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1234", "AMBIGUOUS_ID"),
        ("123", "INVALID_ID"),
        ("", "INVALID_ID"),
        ("%%%%", "INVALID_ID"),
        ("0" * 33, "INVALID_ID"),
        ("ffff", "UNKNOWN_JOB"),
    ],
)
def test_what_names_no_single_job_is_refused(text, code):
    for last in (1, 2):
        builders.new_job(pk=uuid.UUID(f"12345678-9abc-4000-8000-00000000000{last}"))
    with pytest.raises(Refusal) as refused:
        find_job(text)
    assert refused.value.code == code


# ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_list_has_a_row_per_job_and_leaves_killed_ones_out(run):
    jobs = [completed_job(failed=2, name="odd\x1b[31m\nname"), builders.new_job(parked_code="ROOT_CHANGED")]
    killed = builders.new_job()
    services.kill_job(killed, actor="somebody")
    code, out, _ = run("list")
    head, *rows = out.splitlines()
    assert code == 0 and head.split()[:4] == ["ID", "STATE", "PHASE", "DONE"]
    assert {row[:8] for row in rows} == {str(job.pk)[:8] for job in jobs}
    assert r"odd\x1B[31m\nname" in out and "\x1b" not in out and "running, parked" in out
    assert next(row for row in rows if "odd" in row).split()[1:8] == ["completed", "idle", "33", "%", "3", "15", "B"]
    assert str(killed.pk)[:8] in run("list", "--status", "killed")[1]
    assert run("list", "--status", "paused")[1] == "No jobs.\n"


def test_json_is_what_the_api_says(run, client, django_user_model):
    job = completed_job(failed=1)
    [listed] = json.loads(run("list", "--json")[1])
    shown = json.loads(run("show", "--json", job.pk)[1])
    assert listed == shown["job"] and listed["id"] == str(job.pk) and listed["failed"] == 1
    assert shown["summary"]["failed"] == 1 and shown["events"][0]["actor"] == "scheduler"
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert client.get(f"/api/jobs/{job.pk}").json() == listed


def test_show_tells_failures_by_reason_and_the_last_events(run):
    job = completed_job(failed=3, name="nightly", exclude="*.tmp\n*.log", bytes_per_second=1 << 20)
    Scan.objects.create(job=job, error_code="ROOT_MISSING")
    code, out, _ = run("show", str(job.pk)[:8])
    assert code == 0
    for words in ("name       nightly", "exclude *.tmp *.log", "1.0 MiB/s", "interval   once", "ROOT_MISSING"):
        assert words in out
    assert out.split("FAILED BECAUSE OF")[1].split()[:6] == ["FILES", "WHAT", "TO", "DO", "SINK_IO_ERROR", "3"]
    assert "complete" in out.split("WHEN")[1]


def test_show_says_who_is_missing(run):
    job = builders.new_job(sink_type="vault")
    assert "held up    No scheduler is alive" in run("show", str(job.pk))[1]
    assert "No slave is alive" in run("show", str(job.pk))[1]
    builders.new_slave()
    assert "No slave that is alive reaches both local and vault" in run("show", str(job.pk))[1]


# ── steering ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verb", "before", "after", "action"),
    [
        ("pause", "running", "paused", "pause"),
        ("resume", "paused", "running", "resume"),
        ("kill", "running", "killed", "kill"),
        ("run", "completed", "running", "run_now"),
        ("retry", "completed", "running", "retry"),
    ],
)
def test_each_verb_does_its_move_and_history_names_who_sat_at_the_shell(run, monkeypatch, verb, before, after, action):
    monkeypatch.delenv("SUDO_USER", raising=False)
    job = completed_job(failed=1)
    Job.objects.filter(pk=job.pk).update(status=before)
    options = ["--yes"] if verb == "kill" else []
    code, out, err = run(verb, *options, str(job.pk)[:8])
    job.refresh_from_db()
    assert (code, job.status, err) == (0, after, "")
    assert out.startswith(str(job.pk)[:8])
    event = JobEvent.objects.filter(job=job, action=action).latest("id")
    assert event.actor == f"shell:{pwd.getpwuid(os.getuid()).pw_name}"


def test_retry_counts_one_task_in_the_singular(run):
    for failed, words in ((1, "1 task is tried again"), (2, "2 tasks are tried again")):
        assert words in run("retry", str(completed_job(failed=failed).pk))[1]


def test_after_sudo_history_names_who_called_it(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice\x1b[31m")
    assert shell_actor() == r"shell:alice\x1B[31m"


def test_a_user_without_a_name_is_named_by_number(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert shell_actor() == "shell:4000000000"


def test_a_paused_job_that_is_to_run_says_what_to_do_first(run):
    paused = builders.new_job(status="paused")
    code, _, err = run("run", paused.pk)
    assert code == 1 and err.endswith("The job is paused; it can't be scanned. Resume it first.\n")


def test_a_refusal_ends_with_1_and_the_others_are_done(run):
    killed, running = builders.new_job(), builders.new_job()
    services.kill_job(killed, actor="somebody")
    code, out, err = run("pause", killed.pk, running.pk)
    assert code == 1 and "was killed; it can't be paused" in err and str(running.pk)[:8] in out
    running.refresh_from_db()
    assert running.status == "paused"
    code, out, err = run("resume", "--json", killed.pk, running.pk)
    results = json.loads(out)
    assert code == 1 and [result["done"] for result in results] == [False, True] and err == ""
    assert results[1]["status"] == "running" and set(results[1]) == {"id", "status", "done", "message"}


def test_what_is_the_case_already_is_no_refusal(run):
    job = builders.new_job()
    assert run("resume", job.pk)[:2] == (0, f"{str(job.pk)[:8]}  was running already\n")


def test_a_misspelt_id_ends_with_2_and_nothing_is_done(run):
    job = builders.new_job()
    code, _, err = run("kill", "--yes", job.pk, "not-an-id")
    assert code == 2 and "'not-an-id' is no id" in err
    job.refresh_from_db()
    assert job.status == "running"


@pytest.mark.parametrize("arguments", [[], ["list", "--status", "odd"], ["pause"], ["dance", "1234"], ["show"]])
def test_misuse_is_refused(arguments):
    with pytest.raises(CommandError) as refused:
        call_command("jobs", *arguments)
    assert refused.value.returncode in (1, 2)


@pytest.mark.parametrize(
    ("typed", "code", "after"), [("y\n", 0, "killed"), ("YES\n", 0, "killed"), ("\n", 1, "running"), ("", 1, "running")]
)
def test_kill_asks_on_a_terminal(run, on_a_terminal, typed, code, after):
    job = builders.new_job(name="precious")
    on_a_terminal(typed)
    found, _, err = run("kill", job.pk)
    job.refresh_from_db()
    assert (found, job.status) == (code, after)
    assert "precious" in err and "[y/N]" in err


def test_kill_without_anybody_to_ask_needs_yes(run, monkeypatch):
    job = builders.new_job()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, _, err = run("kill", job.pk)
    job.refresh_from_db()
    assert (code, job.status) == (2, "running") and "--yes" in err


# ── watching ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (2, 1)])
def test_watch_ends_with_the_job_and_tells_whether_all_arrived(run, failed, code):
    job = completed_job(failed=failed)
    found, out, _ = run("watch", job.pk)
    assert found == code and out.startswith("completed: ") and out.count("\n") == 1


def test_a_killed_job_did_not_arrive(run):
    job = builders.new_job()
    services.kill_job(job, actor="somebody")
    assert run("watch", job.pk)[0] == 1


def test_watch_looks_until_the_end_and_says_what_holds_it_up(run, monkeypatch):
    job = builders.new_job()
    builders.discover(job, b"a", size=4)
    services.pause_job(job, actor="somebody")
    steps = iter([lambda: services.resume_job(job, actor="x"), lambda: services.kill_job(job, actor="x")])
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: next(steps)())
    code, out, _ = run("watch", "--json", job.pk)
    looks = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [look["status"] for look in looks] == ["paused", "running", "killed"]
    assert [look["note"] for look in looks] == ["paused", "", ""]
    assert looks[0]["bytes_total"] == 4 and looks[0]["eta_seconds"] is None


def test_ctrl_c_ends_watching_with_130_and_touches_nothing(run, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    job = builders.new_job(interval=timedelta(hours=1))
    monkeypatch.setattr(watch.time, "sleep", interrupt)
    assert run("watch", job.pk)[0] == 130
    job.refresh_from_db()
    assert job.status == "running"
