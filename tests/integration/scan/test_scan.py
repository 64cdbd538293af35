"""Scans over real directories with a real catalogue: what is found, counted, written and left alone."""

import os

from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import services
from jobs.models import Finding, Task
from storage_backends.base import PartialId
from tests.integration.scan.tree import counts, locked, task_writes

# ── the first scan ────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_is_new_at_first(tree):
    tree.write("a", "four")
    tree.write("d/b", "seven77")
    (tree.source / "empty").mkdir()
    scan = tree.scan()
    assert counts(scan) == {"files_seen": 2, "new": 2}
    assert (scan.bytes_seen, scan.bytes_to_copy, scan.phase) == (11, 11, "finished")
    assert tree.statuses() == dict.fromkeys([".", "a", "d/", "d/b", "empty/"], "pending")


def test_links_are_tasks_of_their_own_and_special_files_are_skipped_with_a_finding(tree):
    os.symlink("target", tree.source / "link")
    os.mkfifo(tree.source / "pipe")
    reserved = PartialId("12345678", "a" * 20, 1).name.decode()
    tree.write(reserved)
    scan = tree.scan()
    assert scan.skipped == 2
    assert tree.statuses() == {".": "pending", "link": "pending", "pipe": "skipped", reserved: "skipped"}
    found = dict(Finding.objects.values_list("path_display", "reason_code"))
    assert found == {"pipe": "SPECIAL_FILE", reserved: "RESERVED_NAME"}
    assert Task.objects.get(path_display="pipe").reason_text


def test_what_was_skipped_is_counted_at_every_scan_but_found_once(tree):
    os.mkfifo(tree.source / "pipe")
    assert [tree.scan().skipped for _ in range(3)] == [1, 1, 1]
    assert Finding.objects.count() == 1


def test_a_sink_that_has_the_same_already_is_compared_and_another_size_is_copied(tree):
    for side in (tree.source, tree.sink):
        tree.write("same", "text", side=side)
        tree.write("other", "text" if side is tree.source else "texts", side=side)
    scan = tree.scan()
    assert counts(scan) == {"files_seen": 2, "new": 1, "compared": 1}
    assert scan.bytes_to_copy == 4
    assert dict(Task.objects.filter(kind="file").values_list("path_display", "compare_first")) == {
        "same": True,
        "other": False,
    }


def test_names_of_any_bytes_are_found_once_and_for_all(tree):
    for name in (b"\xff\xfe", b"a\nb", b"a-", b"a0", "ä".encode(), b"x" * 255):
        (tree.source / os.fsdecode(name)).touch()
    (tree.source / "a").mkdir()
    (tree.source / "a" / "x").touch()
    assert tree.scan().new == 7
    assert counts(tree.scan()) == {"files_seen": 7}


# ── later scans ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unchanged_tree_costs_no_write_of_any_task(tree):
    for path in ("a", "d/b", "d/e/c"):
        tree.write(path)
    tree.settle_scan()
    with CaptureQueriesContext(connection) as queries:
        scan = tree.scan()
    assert counts(scan) == {"files_seen": 3, "unchanged": 3}
    assert task_writes(queries) == []
    assert set(tree.statuses().values()) == {"completed"}


def test_a_changed_file_and_its_directory_are_done_again_and_nothing_else(tree):
    for path in ("d/a", "d/b", "e/c"):
        tree.write(path)
    tree.settle_scan()
    tree.write("d/a", "another text")
    scan = tree.scan()
    assert counts(scan) == {"files_seen": 3, "changed": 1, "unchanged": 2}
    assert tree.pending() == {"d/a", "d/"}


def test_a_new_file_in_a_known_directory_sets_that_directorys_times_again(tree):
    tree.write("d/a")
    tree.settle_scan()
    tree.write("d/new")
    assert counts(tree.scan()) == {"files_seen": 2, "new": 1, "unchanged": 1}
    assert tree.pending() == {"d/", "d/new"}


def test_a_file_touched_without_a_change_of_size_or_time_is_compared(tree):
    file = tree.write("a", "text")
    tree.settle_scan()
    file.write_text("TEXT")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert counts(tree.scan()) == {"files_seen": 1, "compared": 1}
    assert Task.objects.get(path_display="a").compare_first


def test_a_file_copied_while_it_was_fresh_is_compared_once_more(tree):
    tree.write("a", mtime=4_000_000_000)
    tree.settle_scan()
    assert not Task.objects.get(path_display="a").compare_first, "far in the future is not fresh"
    Task.objects.filter(path_display="a").update(compare_first=True)
    assert counts(tree.scan()) == {"files_seen": 1, "compared": 1}


def test_drift_at_the_sink_is_overwritten_and_counted(tree):
    for path in ("missing", "longer", "touched"):
        tree.write(path)
    tree.settle_scan()
    (tree.sink / "missing").unlink()
    (tree.sink / "longer").write_text("longer than before")
    os.utime(tree.sink / "touched", (1, 1))
    scan = tree.scan()
    assert counts(scan) == {"files_seen": 3, "drifted": 3}
    assert tree.pending() == {".", "missing", "longer", "touched"}


def test_a_directorys_time_at_the_sink_is_no_drift_but_its_mode_is(tree):
    tree.write("d/a")
    tree.settle_scan()
    os.utime(tree.sink / "d", (1, 1))
    tree.scan()
    assert tree.pending() == set()
    (tree.sink / "d").chmod(0o700)
    tree.scan()
    assert "d/" in tree.pending()


def test_what_only_the_sink_has_stays_and_is_nobodys_business(tree):
    tree.settle_scan()
    extra = tree.write("extra/file", side=tree.sink)
    assert counts(tree.scan()) == {}
    assert extra.exists() and not Task.objects.filter(path_display__startswith="extra").exists()


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_excluded_paths_are_neither_copied_nor_gone(make_tree):
    tree = make_tree()
    for path in ("a.txt", "a.log", "build/x", "d/b.log"):
        tree.write(path)
    tree.settle_scan()
    services.update_options(tree.job, actor="test", exclude="*.log\nbuild/")
    assert counts(tree.scan()) == {"files_seen": 1, "unchanged": 1}


def test_an_excluded_directory_is_not_even_looked_into(make_tree):
    tree = make_tree(exclude="secret/")
    tree.write("secret/x")
    with locked(tree.source / "secret"):
        assert counts(tree.scan()) == {}


def test_only_included_files_and_the_directories_on_the_way_to_them(make_tree):
    tree = make_tree(include="*.jpg")
    for path in ("a.jpg", "a.txt", "d/e/b.jpg", "only/c.txt"):
        tree.write(path)
    tree.scan()
    assert set(tree.statuses()) == {".", "a.jpg", "d/", "d/e/", "d/e/b.jpg"}
