"""A scan writes only while it is its scheduler's and its job lives; a preview writes no task at all."""

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobs import counters, scans, services
from jobs.models import Finding, Job, Scan, Task
from tests.integration.scan.tree import MACHINE, counts
from tests.unit.jobs import builders


@pytest.fixture
def wide(tree, monkeypatch):
    """Ten files, written by batches of two."""
    monkeypatch.setattr("transfers.scan.run.BATCH_PATHS", 2)
    for number in range(10):
        tree.write(f"{number}")
    return tree


def at_the_second_batch(action):
    """A `should_stop` that does something in between, as others do while a scan runs."""
    calls = iter(range(100))

    def should_stop() -> bool:
        if next(calls) == 1:
            action()
        return False

    return should_stop


def test_a_scan_whose_job_is_killed_stops_at_its_next_batch(wide):
    kill = at_the_second_batch(lambda: services.kill_job(Job.objects.get(), actor="user:ann"))
    scan = wide.scan(should_stop=kill)
    assert Task.objects.count() == 2
    assert scan.finished_at is None and scan.started_at is None
    assert scans.close_scans_of_killed_jobs() == 1
    assert scans.claim("another", "this machine") is None


def test_a_scan_that_another_scheduler_took_over_writes_nothing_more(wide):
    def take_over():
        Scan.objects.update(lease_expires_at=Now())
        assert scans.claim("another", "this machine")

    scan = wide.scan(should_stop=at_the_second_batch(take_over))
    assert Task.objects.count() == 2
    assert (scan.owner, scan.epoch, scan.files_seen, scan.finished_at) == ("another", 2, 0, None)


def test_a_scheduler_that_stops_gives_its_scan_back(wide):
    stops = iter([False, True])
    scan = wide.scan(should_stop=lambda: next(stops))
    assert (scan.phase, scan.owner) == ("requested", "") and Task.objects.count() == 2


def test_a_paused_jobs_scan_goes_on(wide):
    pause = at_the_second_batch(lambda: services.pause_job(Job.objects.get(), actor="user:ann"))
    assert wide.scan(should_stop=pause).phase == "finished"
    assert Task.objects.count() == 11


def test_what_a_slave_claims_before_its_change_is_written_is_looked_at_again_soon(tree):
    tree.write("a")
    tree.scan()
    assert Job.objects.get().next_scan_at is None
    tree.write("a", "changed")

    def should_stop() -> bool:
        if not Task.objects.filter(owner__isnull=False).exists():
            assert builders.claim(builders.new_slave(machine_id=MACHINE), tree.job)
        return False

    assert tree.scan(should_stop=should_stop).phase == "finished"
    assert Job.objects.get().next_scan_at is not None


def test_a_preview_says_what_would_be_done_and_writes_no_task(tree):
    tree.write("known")
    tree.settle_scan()
    tree.write("known", "changed")
    tree.write("d/new", "12345678")
    totals = counters.totals(tree.job.pk)
    rows = list(Task.objects.order_by("id").values())
    with CaptureQueriesContext(connection) as queries:
        scan = tree.scan(is_preview=True)
    assert counts(scan) == {"files_seen": 2, "new": 1, "changed": 1} and scan.bytes_to_copy == 15
    assert list(Task.objects.order_by("id").values()) == rows and counters.totals(tree.job.pk) == totals
    assert not any("UPDATE jobs_task" in query["sql"] for query in queries.captured_queries)
    found = dict(Finding.objects.values_list("path_display", "verdict"))
    assert found.items() >= {"known": "changed", "d/new": "new"}.items()


def test_a_preview_does_not_even_make_the_sink(tree):
    tree.write("a")
    assert tree.scan(is_preview=True).phase == "finished"
    assert not tree.sink.exists()
    tree.scan()
    assert tree.sink.is_dir()


def test_a_preview_of_a_preview_begins_with_no_findings(tree):
    tree.write("a")
    for _ in range(2):
        tree.scan(is_preview=True)
    assert set(Scan.objects.values_list("new", flat=True)) == {1}


def test_findings_are_limited_and_the_counters_are_exact(tree, monkeypatch):
    monkeypatch.setattr(Finding, "LIMIT", 3)
    for number in range(10):
        tree.write(f"{number}")
    assert tree.scan(is_preview=True).new == 10
    assert Finding.objects.count() == 3


def test_the_number_of_statements_grows_with_batches_and_not_with_files(tree):
    for number in range(300):
        tree.write(f"{number:03}")
    with CaptureQueriesContext(connection) as queries:
        tree.scan()
    assert len(queries) < 60
