"""A scan that takes over listings which were begun before it finds what one that lists for itself finds, or ends."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from jobs.models import Task
from jobs.storages import job_root
from tests.integration.scan.tree import counts, look

#: Lists ahead, says so, and is asked through a socket. The last line: it dies when it is asked and has said half.
PROGRAM = """
import os, sys
from transfers.scan import lister
fd, url, path, other, dies = int(sys.argv[1]), sys.argv[2], *map(os.fsencode, sys.argv[3:5]), sys.argv[5] == "True"
listing = lister._all_answers
def all_answers(*asked):
    for number, answer in enumerate(listing(*asked)):
        if isinstance(answer, lister.StorageError):
            print("listed", flush=True)
        yield answer
        if dies and number == 1:
            break
    print("listed", flush=True)
    if dies:
        yield from iter(lambda: os._exit(9), None)
lister._all_answers = all_answers
lister.main(fd, lambda connection: lister.serve_ahead(connection, url, lister.guess(path, [(url, other)])))
"""


@contextmanager
def listed_ahead(tree, *, dies: str = ""):
    """What `perform` takes as `ahead`: both sides are listed to their ends, but the one that `dies` or is not there."""
    roots = {side: job_root(tree.job, side) for side in ("source", "sink")}
    ahead, processes = {}, []
    for (side, root), other in zip(roots.items(), reversed(roots.values()), strict=True):
        ours, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), root.url, os.fsdecode(root.path), os.fsdecode(other.path), str(side == dies)]
        command = [sys.executable, "-c", PROGRAM, *arguments]
        with theirs:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE)
        processes.append(process)
        ahead[root.url, root.path] = ours
        assert side == dies or process.stdout.readline() == b"listed\n"
    yield ahead
    for left in ahead.values():
        left.close()
    for process in processes:
        process.wait(10)
        process.stdout.close()


@pytest.mark.parametrize("options", [{}, {"exclude": "*.tmp\nd/"}, {"include": "d/*"}])
def test_every_verdict_is_the_same_whatever_the_job_s_rules(changed, options):
    tree = changed(**options)
    alone = look(tree)
    with listed_ahead(tree) as ahead:
        assert look(tree, ahead) == alone and not ahead, "they were not asked"


def test_they_are_taken_once(changed):
    tree = changed()
    with listed_ahead(tree) as ahead:
        tree.scan(ahead=ahead)
        tree.copy()
        tree.write("later")
        assert counts(tree.scan(ahead=ahead))["new"] == 1


def test_another_job_s_are_left_alone(changed, make_tree):
    tree = changed()
    with listed_ahead(tree) as ahead:
        elsewhere = {(url, path + b"x"): ours for (url, path), ours in ahead.items()}
        alone, found = look(tree), look(tree, elsewhere)
        assert found == alone and len(elsewhere) == 2


@pytest.mark.parametrize("side", ["source", "sink"])
def test_one_that_dies_half_way_is_no_end_of_the_listing(tree, side):
    for number in range(3):
        tree.write(f"d{number}/f")
    tree.settle_scan()
    with listed_ahead(tree, dies=side) as ahead:
        scan = tree.scan(ahead=ahead)
    assert (scan.error_code, scan.gone, scan.drifted) == (f"{side.upper()}_STORAGE_ERROR", 0, 0)
    assert not Task.objects.filter(gone_at__isnull=False).exists() and not tree.pending()
    assert tree.scan().error_code == ""


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_directory_that_took_the_place_of_the_one_that_was_listed_ends_the_scan(tree, side):
    tree.write("d/f")
    tree.settle_scan()
    with listed_ahead(tree) as ahead:
        root = getattr(tree, side)
        root.rename(root.with_name("unmounted"))
        root.mkdir()
        (root / "something").touch()
        scan = tree.scan(ahead=ahead)
    assert scan.error_code.endswith("ROOT_CHANGED") and not tree.pending()
    assert not Task.objects.filter(gone_at__isnull=False).exists()


def test_a_sink_that_is_made_by_the_scan_is_listed_then_and_does_not_spoil_the_listing_of_the_source(tree):
    tree.write("d/f")
    with listed_ahead(tree) as ahead:
        tree.write("later")
        assert counts(tree.scan(ahead=ahead)) == {"files_seen": 1, "new": 1} and tree.sink.is_dir()


def test_why_work_of_an_earlier_run_forbids_it(tree):
    """What a slave settles between the look at the sink and the look at the row seems to be missing at the sink."""
    tree.write("f")
    tree.scan()
    tree.sink.mkdir(exist_ok=True)
    with listed_ahead(tree) as ahead:
        tree.copy()
        assert counts(tree.scan(ahead=ahead))["drifted"] == 1
