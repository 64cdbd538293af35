"""How a transaction of SQLite's begins: as a writer, soon after the other one has ended, or with an error in time."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from django.db import OperationalError, connections, transaction
from django.db.utils import DatabaseError

from jobs import damage
from jobs.sqlite3 import base
from syncf_site.databases import configure


@pytest.fixture
def database(tmp_path, monkeypatch, django_db_blocker):
    """A connection of ours to a file of its own."""
    path = tmp_path / "x.sqlite3"
    settings = connections.configure_settings({"default": configure(f"sqlite:///{path}", tmp_path)})["default"]
    made = base.DatabaseWrapper(settings, alias="other")
    monkeypatch.setitem(connections.databases, "other", settings)
    connections["other"] = made
    with closing(made), django_db_blocker.unblock():
        made.cursor().execute("CREATE TABLE t (x)")
        yield made
    del connections["other"]


@pytest.fixture
def writer(database):
    """Somebody else who writes."""
    with closing(sqlite3.connect(database.settings_dict["NAME"], isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.fixture
def slept(monkeypatch):
    """How long each pause was; `slept.ends` is called in the fourth."""

    class Slept(list):
        ends = staticmethod(lambda: None)

        def __call__(self, seconds):
            self.append(seconds)
            if len(self) == 4:
                self.ends()

    made = Slept()
    monkeypatch.setattr(base.time, "sleep", made)
    return made


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_full_disk_passes_unless_somebody_sits_at_the_shell(database, gives_up):
    database.settings_dict["GIVES_UP_WHEN_FULL"] = gives_up
    database.cursor().execute("PRAGMA max_page_count=3")
    with pytest.raises(DatabaseError, match="full") as told:
        database.cursor().execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert isinstance(told.value, OperationalError) is not gives_up
    assert (damage.is_final(told.value), damage.is_damaged(told.value)) == (gives_up, False)
    assert damage.sqlite_code(told.value) == sqlite3.SQLITE_FULL


def test_other_troubles_stay_what_they_are(database, writer):
    database.settings_dict["GIVES_UP_WHEN_FULL"] = True
    database.cursor().execute("PRAGMA busy_timeout=0")
    with pytest.raises(OperationalError, match="locked") as told, transaction.atomic(using="other"):
        pass
    assert not damage.is_final(told.value)


def busy_timeout(database):
    return database.cursor().execute("PRAGMA busy_timeout").fetchone()[0]


def test_nobody_else_can_write_once_it_has_begun(database):
    with closing(sqlite3.connect(database.settings_dict["NAME"], timeout=0)) as other:
        with transaction.atomic("other"), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO t VALUES (1)")
        other.execute("INSERT INTO t VALUES (1)")


def test_it_begins_at_the_first_look_after_the_other_one_has_ended(database, writer, slept):
    slept.ends = writer.rollback
    with transaction.atomic("other"):
        database.cursor().execute("INSERT INTO t VALUES (1)")
    assert len(slept) == 4 and max(slept) <= 0.005


def test_where_nobody_writes_it_does_not_wait(database, slept):
    with transaction.atomic("other"):
        assert not slept and busy_timeout(database) == 20_000, "of the statements in it"


def test_in_the_end_it_says_that_the_database_is_locked(database, writer):
    database.cursor().execute("PRAGMA busy_timeout=30")
    with pytest.raises(OperationalError, match="locked"), transaction.atomic("other"):
        pass
    assert busy_timeout(database) == 30


def test_anything_else_is_told_at_once(database, slept, tmp_path):
    database.close()
    (tmp_path / "x.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseError, match="not a database"), transaction.atomic("other"):
        pass
    assert not slept


MEMORY = """
import ctypes, sqlite3, _sqlite3
%s
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE t (x)")
library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_memory_used.restype = ctypes.c_longlong
print(library.sqlite3_memory_used())
"""


@pytest.mark.parametrize(("before", "is_counted"), [("", True), ("import jobs.sqlite3.base", False)])
def test_no_account_is_kept_of_memory(before, is_counted):
    """A library that keeps none says that nothing is used."""
    command = [sys.executable, "-c", MEMORY % before]
    used = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (used > 0) is is_counted
