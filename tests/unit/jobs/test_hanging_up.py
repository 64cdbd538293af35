"""A process that once could not open SQLite's files as it should works again as soon as it can."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from urllib.parse import unquote

import pytest
from django.db import OperationalError, connection, connections
from django.http import HttpResponse
from django.test import RequestFactory

from jobs.hanging_up import after_trouble
from tests.acceptance.people import NOBODY, Person, home_of
from tests.acceptance.planting import hand_over
from tests.support.databases import ROOT, product_environment

#: Runs as somebody to whom modes mean something; says what came of two attempts to write.
ATTEMPTS = """
import os, sys
import django
django.setup()
from django.db import OperationalError
from jobs import leases
from jobs.hanging_up import hang_up
shared, user = sys.argv[1], int(sys.argv[2])
os.setresgid(user, user, user), os.setresuid(user, user, user)
def attempt():
    try:
        return leases.acquire("scheduler", "me")
    except OperationalError as error:
        return str(error)
os.chmod(shared, 0o444)
print(attempt())
os.chmod(shared, 0o644)
hang_up()
print(attempt())
"""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
def test_a_file_that_could_only_be_read_for_a_moment_is_written_again(fresh_database):
    person = Person(os.geteuid() or NOBODY)
    with home_of(person) as home, closing(sqlite3.connect(home / "database.sqlite3")) as other:
        with closing(sqlite3.connect(unquote(fresh_database.removeprefix("sqlite:///")))) as migrated:
            migrated.backup(other)
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT count(*) FROM jobs_lease").fetchone()  # from now on there is the file that all share
        hand_over(home, person)
        command = [sys.executable, "-c", ATTEMPTS, str(home / "database.sqlite3-shm"), str(person.uid)]
        url = f"sqlite:///{home}/database.sqlite3"
        environment = product_environment(DATABASE_URL=url, DJANGO_SETTINGS_MODULE="syncf_site.settings")
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["attempt to write a readonly database", "True"], done.stderr


@pytest.mark.parametrize("is_in_trouble", [True, False])
def test_a_request_that_met_trouble_leaves_no_connection_to_the_next(monkeypatch, is_in_trouble):
    hung_up = []
    monkeypatch.setattr("jobs.hanging_up.hang_up", lambda: hung_up.append(1))
    monkeypatch.setattr(connections["default"], "errors_occurred", False)

    def look(_request):
        with suppress(OperationalError), connection.wrap_database_errors:
            if is_in_trouble:
                raise connection.Database.OperationalError("disk I/O error")
        return HttpResponse()

    after_trouble(look)(RequestFactory().get("/"))
    assert hung_up == [1] * is_in_trouble
