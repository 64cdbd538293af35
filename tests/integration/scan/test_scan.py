"""Scans over real directories with a real catalogue: what is found, counted, written and left alone."""

import os

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import scans, services, transitions
from jobs.models import Finding, Job, Task
from storage_backends.base import PartialId
from tests.integration.scan.tree import MACHINE, counts, locked
from tests.unit.jobs import builders


def task_writes(queries) -> list[str]:
    """Statements that change task rows."""
    verbs = ("INSERT", "UPDATE", "DELETE")
    statements = [query["sql"].strip() for query in queries.captured_queries]
    return [text for text in statements if text.upper().startswith(verbs) and "jobs_task" in text]


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


# ── gone and back ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_gone_from_the_source_is_marked_once_and_the_sinks_file_stays(tree):
    file = tree.write("d/a")
    tree.settle_scan()
    file.unlink()
    assert [counts(tree.scan()) for _ in range(2)] == [{"gone": 1}, {}]
    task = Task.objects.get(path_display="d/a")
    assert task.gone_at and task.status == "completed" and (tree.sink / "d/a").exists()
    assert Finding.objects.values_list("path_display", "verdict", "reason_code").get() == ("d/a", "gone", "SOURCE_GONE")


def test_what_is_gone_before_it_was_copied_is_skipped(tree):
    file = tree.write("a")
    tree.scan()
    file.unlink()
    tree.scan()
    assert Task.objects.values_list("status", "reason_code").get(path_display="a") == ("skipped", "SOURCE_GONE")


@pytest.mark.parametrize("was_copied", [True, False])
def test_what_is_back_is_no_longer_gone(tree, was_copied):
    file = tree.write("a")
    tree.scan()
    if was_copied:
        tree.copy()
    away = tree.source.parent / "away"
    file.rename(away)
    tree.scan()
    away.rename(file)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    tree.scan()
    task = Task.objects.get(path_display="a")
    assert task.gone_at is None and task.status == "pending"


def test_a_file_that_failed_for_good_is_known_again_when_it_is_back(tree):
    """Left marked as gone it would neither be reported as failed nor be retried."""
    tree.write("a")
    tree.scan()
    slave = builders.new_slave(machine_id=MACHINE)
    [task] = [task for task in builders.claim(slave, tree.job) if task.path == b"a"]
    transitions.settle(slave, [builders.ending(task, "failed", reason_code="SINK_BAD_PATH")])
    Task.objects.filter(path_display="a").update(gone_at="2026-01-01T00:00:00Z")
    tree.scan()
    assert Task.objects.values_list("status", "gone_at").get(path_display="a") == ("failed", None)


# ── what can't be seen ────────────────────────────────────────────────────────────────────────────────────────


def test_a_source_directory_that_cannot_be_listed_is_an_error_and_nothing_below_it_is_gone(tree):
    for path in ("a", "d/b", "d/e/c", "d-", "z"):
        tree.write(path)
    tree.settle_scan()
    (tree.source / "a").unlink()
    with locked(tree.source / "d"):
        scan = tree.scan()
    assert counts(scan) == {"files_seen": 2, "unchanged": 2, "gone": 1, "errors": 1}
    assert scan.phase == "finished"
    found = dict(Finding.objects.values_list("path_display", "reason_code"))
    assert found == {"a": "SOURCE_GONE", "d/": "SOURCE_PERMISSION_DENIED"}
    assert set(Task.objects.filter(gone_at__isnull=False).values_list("path_display", flat=True)) == {"a"}


def test_a_sink_directory_that_cannot_be_listed_is_an_error_and_nothing_below_it_is_missing(tree):
    for path in ("a", "d/b", "d/e/c"):
        tree.write(path)
    tree.settle_scan()
    tree.write("d/new")
    with locked(tree.sink / "d"):
        scan = tree.scan()
    assert counts(scan) == {"files_seen": 4, "unchanged": 3, "compared": 1, "errors": 1}
    assert Finding.objects.get(verdict="error").reason_code == "SINK_PERMISSION_DENIED"
    assert "d/e/" not in tree.pending() and "d/e/c" not in tree.pending()


# ── what is under way ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_scan_leaves_alone_what_a_slave_has_in_hand(tree):
    tree.write("a")
    tree.scan()
    slave = builders.new_slave(machine_id=MACHINE)
    builders.claim(slave, tree.job)
    tree.write("a", "changed meanwhile")
    with CaptureQueriesContext(connection) as queries:
        assert counts(tree.scan()) == {"files_seen": 1}
    assert task_writes(queries) == []


def test_a_run_once_job_is_scanned_again_when_a_file_changed_in_a_slaves_hand(tree):
    """The slave may have read the older version; without another scan the job would complete with it."""
    tree.write("a")
    tree.scan()
    builders.claim(builders.new_slave(machine_id=MACHINE), tree.job)
    tree.write("a", "changed meanwhile")
    tree.scan()
    assert Job.objects.get().next_scan_at is not None


def test_a_run_once_job_is_not_scanned_again_for_what_is_only_in_hand(tree):
    tree.write("a")
    tree.scan()
    builders.claim(builders.new_slave(machine_id=MACHINE), tree.job)
    tree.scan()
    assert Job.objects.get().next_scan_at is None


def test_a_directory_in_a_slaves_hand_gets_its_times_again_after_something_in_it_changed(tree):
    tree.write("d/a")
    tree.settle_scan()
    slave = builders.new_slave(machine_id=MACHINE)
    transitions.revisit_directories(tree.job.pk, [b"d/"])
    [held] = builders.claim(slave, tree.job)
    assert held.path == b"d/"
    tree.write("d/new")

    def settled_meanwhile() -> bool:
        transitions.settle(slave, [builders.ending(held)])
        return False

    assert tree.scan(should_stop=settled_meanwhile).phase == "finished"
    assert tree.pending() == {"d/", "d/new"}


def test_a_scan_that_died_half_way_is_repeated_harmlessly(tree, monkeypatch):
    monkeypatch.setattr("transfers.scan.run.BATCH_PATHS", 2)
    for number in range(6):
        tree.write(f"{number}")
    stops = iter([False, True])
    assert tree.scan(should_stop=lambda: next(stops)).phase == "requested"
    assert len(tree.statuses()) == 2
    scan = tree.perform(scans.claim("test", "this machine"))
    assert (scan.phase, scan.files_seen, scan.new) == ("finished", 6, 4)
    assert len(tree.statuses()) == 7


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
