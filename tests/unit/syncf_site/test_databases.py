"""DATABASE_URL: the options that keep writers from failing, on both databases."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from syncf_site import env
from syncf_site.databases import configure
from tests.support import stack
from tests.support.databases import product_environment

ROOT = Path("/project")


def test_sqlite_begins_every_transaction_as_a_writer_and_syncs_fully():
    assert configure("sqlite:///var/x.sqlite3", ROOT)["ENGINE"] == "jobs.sqlite3"
    assert configure("sqlite:///var/x.sqlite3", ROOT)["OPTIONS"] == {
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA busy_timeout=20000;"
        "PRAGMA cache_size=-16384;PRAGMA wal_autocheckpoint=8192;",
    }
    assert configure("sqlite:///var/x.sqlite3", ROOT)["CONN_MAX_AGE"] is None


def test_a_relative_sqlite_file_belongs_to_the_project():
    assert configure("sqlite:///var/x.sqlite3", ROOT)["NAME"] == "/project/var/x.sqlite3"
    assert configure("sqlite:////srv/a%2Bb.sqlite3", ROOT)["NAME"] == "/srv/a+b.sqlite3"


def test_postgres_connections_are_checked_and_no_lock_is_held_for_ever():
    entry = configure("postgres://user:p%40ss@db:5433/syncf", ROOT)
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"]) == ("user", "p@ss", "db", 5433)
    assert entry["CONN_HEALTH_CHECKS"] is True
    for setting in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        assert setting in entry["OPTIONS"]["options"]


def test_options_in_the_url_win():
    options = configure("postgres://h/syncf?sslmode=require&connect_timeout=2", ROOT)["OPTIONS"]
    assert (options["sslmode"], options["connect_timeout"], options["keepalives"]) == ("require", 2, 1)


def test_no_request_is_a_transaction_by_default():
    for url in ("sqlite:///x", "postgres://h/x"):
        assert "ATOMIC_REQUESTS" not in configure(url, ROOT)


@pytest.mark.parametrize("url", ["mysql://h/x", "nonsense", ""])
def test_another_database_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must begin with"):
        configure(url, ROOT)


@pytest.mark.django_db
def test_the_options_have_arrived_in_the_database():
    with connection.cursor() as cursor:
        if stack.is_postgres():
            names = ("lock_timeout", "statement_timeout", "random_page_cost")
            seen = [cursor.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in names]
            assert seen == ["10s", "1min", "1.1"]
        else:
            seen = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
            assert seen == ["wal", 2]


def test_a_fresh_database_is_migrated_empty_and_gone_afterwards(database_template):
    with database_template.copy() as url:
        jobs = [line for line in dump(url).splitlines() if "jobs.job" in line]
        assert jobs == []
    with pytest.raises(subprocess.CalledProcessError):
        dump(url)


def dump(url):
    command = [sys.executable, str(env.ROOT / "manage.py"), "dumpdata", "jobs"]
    environment = product_environment(DATABASE_URL=url)
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
