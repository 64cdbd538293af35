"""Scans beside work: what a slave has in hand is left alone, and one that died is repeated harmlessly."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import scans, transitions
from jobs.models import Job
from tests.integration.scan.tree import MACHINE, counts, task_writes
from tests.unit.jobs import builders


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
