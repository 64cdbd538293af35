"""A scan that takes over a comparison which was begun before it finds what one that compares for itself finds, or ends.

The rows are read from a copy of the database: the tests' own shows nobody else what is not committed.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest
from django.db import connection

from jobs.models import Task
from jobs.storages import job_root
from tests.integration.scan.tree import counts, look
from transfers.scan.comparison import Comparison

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's rows are read without Django")

#: Compares ahead, says so, and is asked through a socket. `dies`: who dies when half is told; `locked`: the side where
#: the directory b can't be listed.
PROGRAM = """
import json, os, socket, sys
from itertools import compress
from storage_backends.base import ListError
from storage_backends.errors import PermissionDenied
from transfers.scan import comparer, lister
fd, database, url, source, sink, dies, locked, at_once = json.loads(sys.argv[1])
source, sink = os.fsencode(source), os.fsencode(sink)
answers, asks = comparer._answers, socket.socketpair()
listing = lister.answers

def dying(found, count):
    yield from (answer for _, answer in zip(range(count), found))
    os._exit(9)

def without_b(found):
    yield next(found)
    yield ListError(b"b/", PermissionDenied("nobody may list it"))
    for names, *columns in found:
        kept = [name <= b"b/" or name > b"b0" for name in names]
        yield tuple(tuple(compress(column, kept)) for column in (names, *columns))

def all_answers(*asked):
    found = answers(*asked)
    for answer in found if dies != "comparer" else dying(found, 2):
        if answer is None or isinstance(answer, comparer.Failed):
            print("compared", flush=True)
        yield answer

comparer._answers = all_answers
comparer.TOLD_AT_ONCE = comparer.PASSED_AT_ONCE = lister.LISTED_AT_ONCE = at_once
is_lister = os.fork() == 0
if locked == ("sink" if is_lister else "source"):
    lister.answers = lambda *asked: without_b(listing(*asked))
if is_lister:
    asks[0].close()
    if dies == "lister":
        lister.answers = lambda *asked: dying(listing(*asked), 2)
    guess = lister.guess(sink, [(url, source)])
    lister.main(asks[1].detach(), lambda connection: lister.serve_ahead(connection, url, guess))
    os._exit(0)
asks[1].close()
serve = lambda connection: comparer.serve_ahead(connection, asks[0].detach(), database, url, (source, sink))
lister.main(fd, serve)
os._exit(0)
"""


@contextmanager
def compared_ahead(tree, *, dies="", locked="", at_once=2, change=lambda database: None):
    """What `perform` takes as `ahead`: all is compared to the end, unless somebody `dies`. `change`: of the rows."""
    rows = tree.source.parent / "rows.sqlite3"
    with closing(sqlite3.connect(rows)) as copy:
        copy.executescript("\n".join(connection.connection.iterdump()))
        change(copy)
        copy.commit()
    source, sink = job_root(tree.job, "source"), job_root(tree.job, "sink")
    ours, theirs = socket.socketpair()
    with theirs:
        paths = os.fsdecode(source.path), os.fsdecode(sink.path)
        order = json.dumps([theirs.fileno(), str(rows), source.url, *paths, dies, locked, at_once])
        command = [sys.executable, "-c", PROGRAM, order]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE)
    assert dies == "comparer" or process.stdout.readline() == b"compared\n"
    ahead = {((source.url, source.path), (sink.url, sink.path)): ours}
    yield ahead
    for left in ahead.values():
        left.close()
    process.wait(10)
    process.stdout.close()


def state(tree) -> list[tuple]:
    return list(Task.objects.filter(job=tree.job).order_by("path").values_list("path", "status", "size", "gone_at"))


@pytest.fixture
def is_asked(monkeypatch):
    """How often a comparison said that it is of this job."""
    said, is_of = [], Comparison.is_of
    monkeypatch.setattr(Comparison, "is_of", lambda self, *asked: said.append(is_of(self, *asked)) or said[-1])
    return said


@pytest.mark.parametrize("at_once", [1, 2, 5000])
def test_every_verdict_is_the_same(changed, at_once, is_asked):
    tree = changed()
    alone = look(tree)
    with compared_ahead(tree, at_once=at_once) as ahead:
        assert look(tree, ahead) == alone and not ahead
    assert is_asked == [True] and alone[1]["unchanged"] and alone[1]["drifted"] and alone[1]["gone"]


def test_what_is_written_is_the_same(changed, is_asked):
    tree = changed()
    with compared_ahead(tree) as ahead:
        tree.scan(ahead=ahead)
    waiting = {"d/", "d/changed", "d/drifted", "d/missing", "d/new"}
    assert is_asked == [True] and waiting <= tree.pending() and not tree.pending() - waiting - {"."}
    gone = Task.objects.filter(gone_at__isnull=False).values_list("path", flat=True)
    assert list(gone) == [b"d/gone"], "what is back is not gone any more"


def test_of_an_unchanged_tree_files_are_counted_and_directories_are_shown(tree, is_asked):
    for number in range(30):
        tree.write(f"d{number % 3}/{number}")
    tree.settle_scan()
    Task.objects.update(compare_first=False)
    with compared_ahead(tree, at_once=7) as ahead:
        scan = tree.scan(ahead=ahead)
    assert counts(scan) == {"files_seen": 30, "unchanged": 30} and scan.bytes_seen == 30 * len("text")
    assert is_asked == [True] and not tree.pending()


@pytest.mark.parametrize("side", ["source", "sink"])
def test_what_cannot_be_listed_is_neither_gone_nor_missing(tree, side, is_asked):
    for path in ("a/f", "b/f", "c/f"):
        tree.write(path)
    tree.settle_scan()
    Task.objects.update(compare_first=False)
    before = state(tree)
    with compared_ahead(tree, locked=side, at_once=1) as ahead:
        scan = tree.scan(ahead=ahead)
    assert (scan.errors, scan.gone, scan.drifted) == (1, 0, 0) and state(tree) == before and is_asked == [True]


def _another_job(database):
    [columns] = database.execute("SELECT group_concat(name) FROM pragma_table_info('jobs_job') WHERE name <> 'id'")
    database.execute(f"INSERT INTO jobs_job (id, {columns[0]}) SELECT '{'0' * 32}', {columns[0]} FROM jobs_job")


@pytest.mark.parametrize(
    "change",
    [
        _another_job,
        lambda database: database.execute("UPDATE jobs_job SET status = 'killed'"),
        lambda database: database.execute("PRAGMA user_version = 7"),
        lambda database: database.execute("DROP TABLE jobs_task"),
    ],
    ids=["another job", "no job", "another schema", "no rows to read"],
)
def test_where_it_is_not_clear_what_the_rows_mean_the_scan_compares_for_itself(changed, is_asked, change):
    tree = changed()
    alone = look(tree)
    with compared_ahead(tree, change=change) as ahead:
        assert look(tree, ahead) == alone
    assert is_asked == [False]


@pytest.mark.parametrize("options", [{"exclude": "*.tmp\nd/"}, {"include": "d/*"}])
def test_rules_could_not_be_guessed(changed, options, is_asked):
    tree = changed(**options)
    alone = look(tree)
    with compared_ahead(tree) as ahead:
        assert look(tree, ahead) == alone and not is_asked


def test_another_job_s_is_left_alone(changed):
    tree = changed()
    with compared_ahead(tree) as ahead:
        elsewhere = {(source, ("file:///", b"elsewhere")): ours for (source, _), ours in ahead.items()}
        assert look(tree, elsewhere) == look(tree) and elsewhere


@pytest.mark.parametrize("dies", ["comparer", "lister"])
def test_a_death_half_way_is_no_end_of_the_comparison(tree, dies):
    for number in range(9):
        tree.write(f"d{number}/f")
    tree.settle_scan()
    before = state(tree)
    with compared_ahead(tree, dies=dies) as ahead:
        scan = tree.scan(ahead=ahead)
    if dies == "comparer":
        assert scan.error_code == "SCAN_FAILED" and "died" in scan.error_text
    else:
        assert not scan.error_code, "it was known before anything was told"
    assert (scan.gone, scan.drifted) == (0, 0) and state(tree) == before


@pytest.mark.parametrize("side", ["source", "sink"])
def test_another_directory_in_the_place_of_one_is_another_comparison(tree, side, is_asked):
    tree.write("d/f")
    tree.settle_scan()
    with compared_ahead(tree) as ahead:
        root = getattr(tree, side)
        root.rename(root.with_name("unmounted"))
        tree.write("d/f", "what stands there now", side=root)
        assert counts(tree.scan(ahead=ahead)) == {"files_seen": 1, "changed" if side == "source" else "drifted": 1}
    assert is_asked == [False]
