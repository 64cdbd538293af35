"""`manage.py doctor`: each kind of trouble is found, named and told with what to do; it leaves nothing behind."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from jobs import leases, slaves
from jobs.machine import machine_id, process_identity
from jobs.models import Job, Slave
from storage_backends.base import PARTIAL_PREFIX
from syncf_site import env
from tests.support import stack
from tests.support.databases import product_environment
from transfers.management.doctor import database, findings, space, storages
from transfers.scheduler.scheduler import LEADERSHIP

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(tmp_path, settings):
    """The storage `local`, in order."""
    root = tmp_path / "root"
    root.mkdir()
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.BASE_PATH = root
    settings.STORAGES_CONFIGURED = {"local": root.as_uri()}
    return root


@pytest.fixture
def doctor(capsys):
    """Runs it in this process: exit code and (level, topic, text, todo) of every finding."""

    def run():
        with pytest.raises(SystemExit) as end:
            call_command("doctor", "--json")
        answer = json.loads(capsys.readouterr().out)
        assert {finding["level"] for finding in answer["findings"]} <= {"ok", "warning", "error"}
        assert all(finding["todo"] for finding in answer["findings"] if finding["level"] == "error")
        return end.value.code, [tuple(finding.values()) for finding in answer["findings"]]

    return run


def found(doctor, level, topic, *words, code):
    """The finding of that level and topic with those words; the exit code is as expected."""
    exit_code, all_findings = doctor()
    fitting = [text for text in all_findings if text[:2] == (level, topic) and all(word in str(text) for word in words)]
    assert fitting, all_findings
    assert exit_code == code, all_findings
    return fitting[0]


def sign_on(name="slave-001", **fields):
    values = {"host": "here", "machine_id": machine_id(), "pid": os.getpid(), "process": process_identity()}
    slave = Slave(name=name, concurrency=1, **{**values, "version": "0.1.0", "aliases": ["local"], **fields})
    slaves.sign_on(slave)
    return slave


def make_job(**fields):
    places = {"source_type": "local", "source_path": "/in", "sink_type": "local", "sink_path": "/out"}
    return Job.objects.create(**{**places, **fields})


def test_an_installation_that_works_is_well(doctor, root, settings):
    leases.acquire(LEADERSHIP, process_identity())
    sign_on(version=settings.VERSION)
    make_job()
    code, all_findings = doctor()
    assert code == 0
    assert [finding for finding in all_findings if finding[0] == "error"] == []
    topics = {finding[1] for finding in all_findings if finding[0] == "ok"}
    assert {"settings", "base path", "database", "clock", "broker", "storage local", "scheduler", "slaves"} <= topics
    assert os.listdir(root) == []


def test_a_real_run_tells_it_in_lines_and_by_its_exit_code(fresh_database, tmp_path):
    environment = product_environment(
        DATABASE_URL=fresh_database, BASE_PATH=str(tmp_path), STORAGE_GONE=f"file://{tmp_path}/gone", LOG_LEVEL="ERROR"
    )
    command = [sys.executable, str(env.ROOT / "manage.py"), "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert "ok       storage local: can be reached and read" in lines
    trouble = next(
        number for number, line in enumerate(lines) if line.startswith("error    storage gone: can't be reached")
    )
    assert lines[trouble + 1].startswith("         -> Correct STORAGE_GONE")
    assert lines[-1].startswith("Errors: 1, warnings: ")


def test_settings_that_are_not_fit_for_other_machines(doctor, settings):
    settings.ALLOWED_HOSTS = ["sync.example.org"]
    found(doctor, "warning", "settings", "SESSION_COOKIE_SECURE", code=0)


def test_a_weak_key_and_debug_matter_on_this_machine_too(doctor, settings):
    settings.SECRET_KEY = "k" * 60
    settings.DEBUG = True
    found(doctor, "warning", "settings", "security.W009", code=0)
    found(doctor, "warning", "settings", "security.W018", code=0)


def test_a_storage_without_its_sdk(doctor, settings):
    settings.STORAGES_CONFIGURED = {**settings.STORAGES_CONFIGURED, "odd": "carrier-pigeon://loft"}
    found(doctor, "error", "settings", "STORAGE_ODD", code=1)
    found(doctor, "error", "storage odd", "can't be reached", code=1)


def test_a_base_path_that_is_not_there(doctor, settings, tmp_path):
    settings.BASE_PATH = tmp_path / "gone"
    settings.STORAGES_CONFIGURED = {"local": (tmp_path / "gone").as_uri()}
    found(doctor, "error", "base path", "gone", "mkdir -p", code=1)


@pytest.mark.skipif(stack.is_postgres(), reason="about SQLite")
def test_sqlite_on_a_network(doctor, monkeypatch, tmp_path):
    (tmp_path / "mountinfo").write_text("22 1 0:40 / / rw - nfs4 server:/export rw\n")
    monkeypatch.setattr("jobs.mounts.MOUNTINFO", tmp_path / "mountinfo")
    found(doctor, "error", "database", "network file system", code=1)


def test_missing_tables_and_then_nothing_else_is_asked_of_the_database(transactional_db, doctor):
    call_command("migrate", "knox", "zero", verbosity=0)
    try:
        found(doctor, "error", "database", "make migrate", code=1)
        assert "clock" not in {finding[1] for finding in doctor()[1]}
    finally:
        call_command("migrate", "knox", verbosity=0)


def test_tables_of_a_newer_version(doctor):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('jobs', '9999_later', %s)",
            ["2030-01-01 00:00:00"],
        )
    found(doctor, "error", "database", "jobs.9999_later", "Upgrade", code=1)


@pytest.mark.parametrize(("skew", "level", "code"), [(10, "warning", 0), (-7200, "error", 1)])
def test_clocks_that_differ(doctor, monkeypatch, skew, level, code):
    class Late:
        time = staticmethod(lambda: time.time() + skew)

    monkeypatch.setattr(database, "time", Late)
    found(doctor, level, "clock", "behind" if skew > 0 else "ahead of", "NTP", code=code)


@pytest.mark.parametrize(("free", "level"), [(50 << 20, "error"), (500 << 20, "warning"), (40 << 30, "warning")])
def test_little_space(doctor, monkeypatch, free, level):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: usage(1 << 40, 0, free))
    found(doctor, level, "storage local", "are free", code=1 if level == "error" else 0)


def test_a_broker_that_is_away_with_its_password_kept(doctor, settings, capsys):
    settings.BROKER_URL = "amqp://someone:canary@127.0.0.1:1/"
    finding = found(doctor, "error", "broker", "Connection refused", "start-rabbitmq", code=1)
    assert "canary" not in str(finding)


def test_a_storage_that_can_only_be_read(doctor, root):
    if os.geteuid() == 0:
        shutil.rmtree(root)
        root.symlink_to("/proc/self/fdinfo")  # takes no file from anybody, root included
    else:
        root.chmod(0o500)
    found(doctor, "warning", "storage local", "can't be written", code=0)


def test_a_storage_that_hangs_keeps_nobody_waiting(doctor, monkeypatch):
    monkeypatch.setattr(storages, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(storages, "_read", lambda url: time.sleep(1))
    found(doctor, "error", "storage local", "did not answer", code=1)


def test_what_is_left_of_uploads(doctor, root):
    from jobs.services import installation

    (root / f"{PARTIAL_PREFIX.decode()}{installation().identifier}-{'0' * 20}-1.part").write_bytes(b"x" * 5000)
    (root / f"{PARTIAL_PREFIX.decode()}ffffffff-{'0' * 20}-1.part").write_bytes(b"x")
    found(doctor, "warning", "storage local", "4.9 KiB of unfinished uploads", "janitor --remove", code=0)
    assert len(os.listdir(root)) == 2


def test_nobody_at_work_is_trouble_only_if_there_is_work(doctor):
    found(doctor, "warning", "scheduler", "runscheduler", code=0)
    found(doctor, "warning", "slaves", "runslave", code=0)
    make_job()
    found(doctor, "error", "scheduler", "runscheduler", code=1)
    found(doctor, "error", "slaves", "runslave", code=1)


def test_a_slave_that_died_is_not_alive(doctor):
    slave = sign_on()
    Slave.objects.filter(pk=slave.pk).update(
        lease_expires_at=Now() - timedelta(seconds=1), heartbeat_at=F("started_at")
    )
    make_job()
    found(doctor, "error", "slaves", "no slave is alive", code=1)


def test_slaves_of_another_version_or_without_a_storage(doctor):
    sign_on(version="0.0.9", unreachable={"archive": "NOT_FOUND: /mnt/archive"})
    found(doctor, "warning", "slaves", "0.0.9", "drain", code=0)
    found(doctor, "warning", "slaves", "does not serve archive", code=0)


def test_a_job_that_no_slave_can_do(doctor):
    leases.acquire(LEADERSHIP, process_identity())
    sign_on(aliases=["local"])
    make_job()
    assert doctor()[0] == 0
    job = make_job(sink_type="archive")
    found(doctor, "error", "slaves", "reaches both local and archive", str(job.pk), code=1)


def test_what_the_jobs_themselves_complain_about(doctor):
    leases.acquire(LEADERSHIP, process_identity())
    sign_on()
    job = make_job()
    job.tasks.create(
        kind="file", path=b"x", path_sha256=b"x", path_display="x", status="failed", reason_code="SINK_IO_ERROR"
    )
    found(doctor, "warning", "jobs", "(1 file)", code=0)


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on(doctor, monkeypatch):
    def broken():
        raise ZeroDivisionError("canary")
        yield

    broken.__name__ = "check_clock"
    monkeypatch.setattr("transfers.management.doctor.examination.WITH_DATABASE", (broken, storages.check_storages))
    code, all_findings = doctor()
    assert code == 1
    assert ("error", "clock", "could not be looked at: ZeroDivisionError: canary") in [
        each[:3] for each in all_findings
    ]
    assert "storage local" in {finding[1] for finding in all_findings}


def test_what_takes_too_long_is_left_behind():
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        findings.within(0.05, lambda: time.sleep(5))
    assert time.monotonic() - begun < 2
    assert findings.within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        findings.within(5, lambda: 1 // 0)
