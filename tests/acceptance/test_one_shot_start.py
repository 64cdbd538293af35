"""How a one-shot sync begins: with a database of its own, the right schema, and no more than it needs."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.faults import is_alive
from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT, eventually
from tests.acceptance.syncing import OneShot

#: What only a web, another database or another queue needs.
NOT_NEEDED = ("rest_framework", "django.contrib.admin", "knox", "drf_spectacular", "psycopg", "pika", "pathspec")
#: What only a sync needs that takes long enough to show progress.
NOT_NEEDED += ("jobs.terminal.live", "jobs.terminal.screen", "transfers.oneshot.drawing")
#: What only a web's errors, another kind of log or a notification need.
NOT_NEEDED += ("django.views.debug", "django.template.defaulttags", "pythonjsonlogger", "smtplib")
NOT_NEEDED += ("jobs.notifications.email", "jobs.notifications.webhook", "transfers.broker.memory")
#: What copies.
ENGINE = ("transfers.engine.worker", "transfers.engine.run", "transfers.engine.small", "transfers.engine.large")


#: The columns that upkeep goes by.
AGING = {
    "jobs_jobevent": ["at"],
    "jobs_notification": ["not_before", "created_at", "ended_at"],
    "jobs_scan": ["started_at", "finished_at"],
    "jobs_slave": ["lease_expires_at"],
    "jobs_sample": ["at"],
}


@pytest.fixture
def newcomer(processes, tmp_path):
    """The command of somebody who never synced before."""
    return OneShot(processes, tmp_path / "state")


@pytest.fixture
def source(tmp_path):
    plant(tmp_path / "source", b"a", b"first")
    return tmp_path / "source"


def databases(oneshot, kind="sync"):
    """Those that syncs left, oldest first."""
    return sorted((oneshot.state / "syncf").glob(f"{kind}-*.sqlite3"), key=lambda path: path.stat().st_ctime_ns)


def asked(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def holds(pid, text):
    """Whether the process has a file open in whose name this is."""
    found = []
    with suppress(OSError):  # it or the file was closed meanwhile
        found = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return any(text in name for name in found)


def at_work(process):
    """The processes below it, once a worker writes."""
    eventually(lambda: any(holds(pid, "/.syncf-") for pid in process.children()), 20, "a worker with a partial")
    return process.children()


def has_a_database(pid):
    """Of those below a sync that is its scheduler alone."""
    return holds(pid, ".sqlite3")


def loaded_by(oneshot, source, sink):
    """The modules that a sync and its children load, and the packages that these are in."""
    command = [sys.executable, "-X", "importtime", "-m", "syncf_site.oneshot", "--", source, sink]
    done = subprocess.run(command, cwd=ROOT, env=oneshot.environment, capture_output=True, text=True, check=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    return modules | {name.partition(".")[0] for name in modules}


def make_like_the_first_version(database):
    """Take every later migration back, by the migrations themselves."""
    settings = {"DJANGO_SETTINGS_MODULE": "syncf_site.settings_oneshot", "DATABASE_URL": f"sqlite:///{database}"}
    command = [sys.executable, "manage.py", "migrate", "jobs", "0001", "--skip-checks", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True)
    assert "published_at" in asked(database, "SELECT sql FROM sqlite_master WHERE name = 'jobs_task'")[0][0]
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 7")
    connection.close()


def test_storages_that_are_not_part_of_it_are_left_alone(newcomer, source, tmp_path):
    """One that is far away or down would keep it waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        newcomer.environment["STORAGE_OTHER"] = f"s3://other?endpoint_url=http://127.0.0.1:{silent.getsockname()[1]}"
        done = newcomer.run(source, tmp_path / "sink")
        assert done.code == 0 and "other" not in done.out + done.err
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_new_pair_begins_with_a_copy_of_an_empty_database_and_has_an_identity_of_its_own(newcomer, source, tmp_path):
    for number in range(2):
        assert newcomer.run(source, tmp_path / f"sink{number}").code == 0
    first, second = databases(newcomer)
    [empty] = databases(newcomer, "empty")
    assert asked(empty, "SELECT * FROM jobs_installation") == asked(empty, "SELECT * FROM jobs_task") == []
    identities = [asked(path, "SELECT identifier FROM jobs_installation") for path in (first, second)]
    assert identities[0] != identities[1] and all(len(found) == 1 for found in identities)
    versions = {asked(path, "PRAGMA user_version")[0][0] for path in (first, second, empty)}
    assert len(versions) == 1 and f"empty-{versions.pop():08x}" == empty.stem
    applied = [asked(path, "SELECT max(id) FROM django_migrations") for path in (first, second)]
    assert applied[0] == applied[1]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (newcomer.state / "syncf", empty))


def test_a_database_of_another_version_is_brought_up_to_date(oneshot, source, tmp_path):
    sink = tmp_path / "sink"
    assert oneshot.run(source, sink).code == 0
    [database] = databases(oneshot)
    wanted = asked(database, "PRAGMA user_version")
    make_like_the_first_version(database)
    plant(source, b"b", b"second")
    process = oneshot.run(source, sink)
    assert process.code == 0, process.err
    assert asked(database, "PRAGMA user_version") == wanted
    assert "published_at" not in asked(database, "SELECT sql FROM sqlite_master WHERE name = 'jobs_task'")[0][0]
    assert (sink / "b").read_text() == "second"


def test_what_a_killed_start_left_is_no_obstacle_and_empty_databases_of_other_versions_go(newcomer, source, tmp_path):
    folder = newcomer.state / "syncf"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "empty-0000beef.sqlite3").write_bytes(b"of an older version")
    (folder / "empty-12345678.sqlite3.99.new").write_bytes(b"half a copy")
    assert newcomer.run(source, tmp_path / "sink").code == 0
    assert [path.name for path in databases(newcomer, "empty")] != ["empty-0000beef.sqlite3"]
    assert len(databases(newcomer, "empty")) == 1


def test_an_empty_database_that_is_damaged_is_made_anew(oneshot, source, tmp_path):
    assert oneshot.run(source, tmp_path / "one").code == 0
    [empty] = databases(oneshot, "empty")
    empty.write_bytes(b"not a database at all" * 1000)
    process = oneshot.run(source, tmp_path / "two")
    assert process.code == 0, process.err
    assert asked(empty, "PRAGMA integrity_check") == [("ok",)] and (tmp_path / "two/a").exists()


def test_the_journal_of_a_database_that_was_removed_is_not_played_into_the_next_one(oneshot, source, tmp_path):
    sink = tmp_path / "sink"
    assert oneshot.run(source, sink).code == 0
    [database] = databases(oneshot)
    assert database.with_name(f"{database.name}-wal").stat().st_size
    database.unlink()
    plant(source, b"b", b"second")
    process = oneshot.run(source, sink)
    assert process.code == 0, process.err
    assert (sink / "b").read_bytes() == b"second" and asked(database, "PRAGMA integrity_check") == [("ok",)]


def leave_unfinished(database):
    """The last scan, as an interrupted sync leaves it."""
    connection = sqlite3.connect(database)
    last = "SELECT max(id) FROM jobs_scan"
    connection.execute(f"UPDATE jobs_scan SET finished_at = NULL, started_at = NULL, owner = '' WHERE id = ({last})")
    connection.commit()
    connection.close()


def test_a_sync_copies_also_behind_a_dry_run_that_was_interrupted(oneshot, source, tmp_path):
    sink = tmp_path / "sink"
    for name in (b"b", b"c"):  # of a new job, and of one that is completed
        plant(source, name, b"new")
        assert oneshot.run(source, sink, "--dry-run").code == 0
        leave_unfinished(*databases(oneshot))
        process = oneshot.run(source, sink)
        assert process.code == 0, process.err
        assert (sink / os.fsdecode(name)).read_bytes() == b"new"


def test_a_dry_run_does_not_take_up_a_sync_that_was_interrupted(oneshot, source, tmp_path):
    assert oneshot.run(source, tmp_path / "sink").code == 0
    plant(source, b"b", b"new")
    leave_unfinished(*databases(oneshot))
    process = oneshot.run(source, tmp_path / "sink", "--dry-run")
    assert process.code == 2 and "is requested or under way" in process.err
    assert b"b" not in oneshot.tasks()


def test_a_sync_loads_nothing_that_only_others_need(newcomer, source, tmp_path):
    loaded = loaded_by(newcomer, source, tmp_path / "sink")
    assert "django" in loaded and loaded >= set(ENGINE) and not loaded & set(NOT_NEEDED)


def test_a_sync_that_finds_nothing_to_do_loads_nothing_that_copies(oneshot, source, tmp_path):
    loaded_by(oneshot, source, tmp_path / "sink")
    assert not loaded_by(oneshot, source, tmp_path / "sink") & {*NOT_NEEDED, *ENGINE}


def test_the_scheduler_ends_with_the_sync_whatever_ends_it(oneshot, tmp_path):
    plant(tmp_path / "source", b"big", os.urandom(8 << 20))
    process = oneshot.start(tmp_path / "source", tmp_path / "sink", "--bwlimit", "1M")
    children = at_work(process)
    process.kill(signal.SIGKILL)
    process.wait()
    eventually(lambda: not any(map(is_alive, children)), 5, "both to end with it")
    process = oneshot.start(tmp_path / "source", tmp_path / "sink", "--bwlimit", "1M")
    children = at_work(process)
    assert process.stop(signal.SIGINT) == 130
    assert not any(map(is_alive, children))


PRESSES_CTRL_C = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *more):
        if name == "django":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


def test_one_that_is_interrupted_while_it_is_loaded_ends_without_a_traceback(oneshot, source, tmp_path):
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(PRESSES_CTRL_C)
    oneshot.environment["PYTHONPATH"] = str(tmp_path / "hooks")
    process = oneshot.run(source, tmp_path / "sink")
    assert (process.code, process.err) == (-signal.SIGINT, "")


def test_a_sync_whose_scheduler_dies_says_what_is_left(oneshot, tmp_path):
    plant(tmp_path / "source", b"big", os.urandom(8 << 20))
    process = oneshot.start(tmp_path / "source", tmp_path / "sink", "--bwlimit", "1M")
    [scheduler] = filter(has_a_database, at_work(process))
    os.kill(scheduler, signal.SIGKILL)
    assert process.wait() == 1 and "left to do" in process.err
    again = oneshot.run(tmp_path / "source", tmp_path / "sink")
    assert again.code == 0, again.err


def test_what_a_sync_leaves_behind_each_time_is_forgotten_in_the_end(oneshot, source, tmp_path):
    """Of all tables; each sync is a hundred days after the one before."""

    def sync():
        plant(source, b"a", os.urandom(8))
        assert oneshot.run(source, tmp_path / "sink").code == 0

    def count():
        [catalogue] = databases(oneshot)
        names = [name for (name,) in asked(catalogue, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: asked(catalogue, f"SELECT count(*) FROM {name}")[0][0] for name in names}
        return {name: number for name, number in counts.items() if name != "jobs_counter"}  # folded at 200

    def age():
        """All that happened until now happened a hundred days earlier."""
        [catalogue] = databases(oneshot)
        connection = sqlite3.connect(catalogue)
        for table, columns in AGING.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = datetime({column}, '-100 days')")
        connection.commit()
        connection.close()

    counts = []
    sync()
    for _ in range(3):
        age()
        sync()
        counts.append(count())
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("kib", [60_000, 100_000])
def test_one_that_may_have_too_little_memory_says_so_and_begins_nothing(oneshot, processes, source, tmp_path, kib):
    command = ["sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh", *oneshot.command(source, tmp_path / "sink")]
    process = processes.start(command, oneshot.environment)
    assert process.wait(60) == 2, process.err
    assert process.out == "" and process.err.count("\n") == 1, process.err
    assert "of address space" in process.err and "(ulimit -v)" in process.err
    assert not (tmp_path / "sink").exists()
