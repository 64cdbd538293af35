"""What is gone from the source and what can't be seen there: the one is marked, the other is never taken for it."""

import os

import pytest

from jobs import transitions
from jobs.models import Finding, Task
from tests.integration.scan.tree import MACHINE, counts, locked
from tests.unit.jobs import builders


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
