"""A scan whose listings are made by other processes finds what one that lists for itself finds."""

import os

import pytest

from jobs.models import Finding, Task
from tests.integration.scan.tree import counts
from transfers.scan import lister, listing


@pytest.fixture
def processes(monkeypatch):
    """`processes(True)`: even the smallest job is worth them."""
    started = []
    begin = listing._start

    def start(socket_fd):
        started.append(socket_fd)
        return begin(socket_fd)

    def choose(are_used: bool) -> list:
        monkeypatch.setattr(listing, "LARGE_FILES", 0 if are_used else 1 << 60)
        started.clear()
        return started

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(listing, "_start", start)
    return choose


def look(tree) -> tuple:
    """What a preview of the next scan finds."""
    scan = tree.scan(is_preview=True)
    findings = Finding.objects.filter(scan=scan).values_list("verdict", "path_display", "size", "reason_code")
    return counts(scan), scan.bytes_seen, scan.bytes_to_copy, list(findings)


def test_every_verdict_is_the_same(make_tree, processes):
    tree = make_tree(exclude="*.tmp\ncache/")
    for path in ("a", "a-", "d/as left", "d/changed", "d/drifted", "d/missing", "d/gone", "e/below", "e0", "x.tmp"):
        tree.write(path)
    tree.settle_scan()
    Task.objects.update(compare_first=False)
    tree.write("d/changed", "other text")
    tree.write("d/drifted", "drift", side=tree.sink)
    (tree.sink / "d/missing").unlink()
    (tree.source / "d/gone").unlink()
    tree.write("d/new")
    tree.write("cache/large")
    tree.write("only at the sink", side=tree.sink)
    (tree.source / "d/link").symlink_to("a")
    os.mkfifo(tree.source / "fifo")
    tree.write(os.fsdecode(b"d/\xff\n"))
    started = processes(False)
    alone = look(tree)
    assert not started and {verdict for verdict, *_ in alone[3]} > {"changed", "drifted", "missing", "gone", "skipped"}
    started = processes(True)
    assert look(tree) == alone and len(started) == 2


def test_what_it_found_is_written_and_copied_like_everything(tree, processes):
    processes(True)
    tree.write("d/a")
    tree.settle_scan()
    tree.write("d/a", "changed")
    scan = tree.scan()
    assert (counts(scan), tree.pending()) == ({"files_seen": 1, "changed": 1}, {"d/", "d/a"})


def test_a_scan_whose_lister_dies_has_failed_and_takes_nothing_for_gone(tree, processes, monkeypatch):
    for number in range(3):
        tree.write(f"d{number}/f")
    tree.settle_scan()
    processes(True)
    monkeypatch.setattr(listing, "MODULE", "tests.integration.scan.dying_lister")
    scan = tree.scan()
    assert (scan.error_code, scan.gone) == ("SOURCE_STORAGE_ERROR", 0)
    assert not Task.objects.filter(gone_at__isnull=False).exists()
    monkeypatch.setattr(listing, "MODULE", lister.__name__)
    assert tree.scan().error_code == ""
