"""The servers the other tests stand on: what is started is there, survives what we do to it, and goes again."""

import os
import signal
import subprocess
import sys

import psycopg
import pytest

from tests.servers import ServerMissing, ensure, private_postgres, processes, state
from tests.servers import __main__ as command
from tests.servers.ensure import MOTO, POSTGRES, Kind
from tests.servers.packages import find_program
from tests.servers.processes import ProcessId


@pytest.fixture(autouse=True)
def own_memory(tmp_path, monkeypatch):
    """Forget what is running for the other tests."""
    monkeypatch.setattr(state, "_file", lambda: tmp_path / "servers.json")
    for kind in ensure.KINDS:
        monkeypatch.delenv(kind.variable, raising=False)


@pytest.fixture
def nothing_usual(monkeypatch):
    """As on a machine where no server runs."""
    monkeypatch.setattr(command, "KINDS", (POSTGRES._replace(usual_urls=()),))


def needs_programs(pattern, package):
    """Missing is a failure under CI, else a skip that names what to type."""
    try:
        find_program(pattern, package)
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


@pytest.fixture
def postgres_programs():
    needs_programs("/usr/lib/postgresql/*/bin/postgres", "postgresql")


@pytest.mark.usefixtures("postgres_programs")
def test_a_private_postgres_keeps_its_rows_and_its_url_over_restart_and_kill():
    with private_postgres() as server:
        url = server.url
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        server.restart()
        server.kill9()
        assert not ensure.postgres.answers(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)
        directory, process = server.directory, server.process
    assert not process.is_alive()
    assert not directory.exists()


@pytest.mark.usefixtures("postgres_programs", "nothing_usual")
def test_what_up_started_is_shared_by_the_next_up_and_ended_by_down(capsys):
    assert command.main(["up"]) == 0
    printed = capsys.readouterr().out
    try:
        [record] = state.load()
        assert printed == f"{POSTGRES.variable}={record.url}\n"
        assert command.main(["up"]) == 0
        assert capsys.readouterr().out == printed
    finally:
        command.main(["down"])
    assert not any(process.is_alive() for process in record.processes)
    assert not os.path.exists(record.directory)
    assert state.load() == []


@pytest.mark.usefixtures("nothing_usual")
def test_a_server_that_was_named_but_does_not_answer_is_an_error_and_no_reason_to_start_another(monkeypatch, capsys):
    monkeypatch.setenv(POSTGRES.variable, "postgresql://127.0.0.1:1/postgres")
    assert command.main(["up"]) == 1
    assert POSTGRES.variable in capsys.readouterr().err
    assert state.load() == []


def test_a_pid_that_was_given_to_another_process_is_not_ours():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        ours = ProcessId.of(child.pid)
        another = ours._replace(began=ours.began - 1)
        processes.end(another, signal.SIGKILL)
        assert ours.is_alive() and not another.is_alive()
    finally:
        child.communicate(b"\n")
    assert not ours.is_alive()


def test_a_missing_package_is_answered_with_the_line_to_type(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ServerMissing, match="sudo apt-get install --yes --no-install-recommends no-such-server"):
        find_program("/usr/lib/no-such-server/bin/*", "no-such-server")


def test_every_kind_is_brought_up_under_a_name_of_its_own():
    kinds = [kind for kind in vars(ensure).values() if isinstance(kind, Kind)]
    assert list(command.KINDS) == kinds
    assert len({kind.variable for kind in kinds}) == len({kind.name for kind in kinds}) == len(kinds)


def test_what_up_remembers_is_used_only_as_long_as_its_processes_live():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ours = ProcessId.of(child.pid)
    anybody = MOTO._replace(answers=lambda url: True)
    state.save([state.Record(MOTO.name, "http://127.0.0.1:1", "/nowhere", [ours])])
    try:
        assert ensure.find(anybody) == "http://127.0.0.1:1"
    finally:
        child.communicate(b"\n")
    assert ensure.find(anybody) is None


def test_what_has_a_session_of_its_own_ends_with_its_parent():
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60'], start_new_session=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True)
    ours = ProcessId.of(parent.pid)
    processes.wait_until(lambda: processes.descendants(ours), 10, "the child")
    [child] = processes.descendants(ours)
    processes.end(ours, signal.SIGKILL)
    parent.communicate()
    assert not child.is_alive()
