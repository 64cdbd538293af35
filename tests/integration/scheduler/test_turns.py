"""A scheduler's turns from a due job to a completed one, with either broker."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobs import leases, scans, services
from jobs.models import Job, JobEvent, Lease, Scan, Slave, Task
from tests.integration.scan.tree import Tree, ordinary_folder
from tests.unit.jobs import builders
from transfers.broker.database import DatabaseBroker
from transfers.broker.memory import MemoryBroker
from transfers.scheduler.scanning import ScanThread
from transfers.scheduler.scheduler import LEADERSHIP, Scheduler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[MemoryBroker, DatabaseBroker])
def broker(request):
    with request.param() as broker:
        yield broker


@pytest.fixture
def scheduler(broker) -> Scheduler:
    return Scheduler(broker)


@pytest.fixture
def tree(settings):
    with ordinary_folder() as root:
        settings.STORAGES_CONFIGURED = {"local": root.as_uri() + "?shared=1"}
        tree = Tree(root)
        tree.write("d/a")
        Job.objects.update(next_scan_at=Now())
        yield tree


def status() -> str:
    return Job.objects.get().status


def test_a_due_job_is_scanned_published_copied_and_completed(tree, scheduler, broker):
    scheduler.run_once()
    assert tree.pending() == {".", "d/", "d/a"}
    assert broker.pending() == (1 if isinstance(broker, MemoryBroker) else None)
    assert status() == "running"
    tree.copy()
    scheduler.run_once()
    assert status() == "completed" and (tree.sink / "d/a").read_text() == "text"
    assert list(JobEvent.objects.order_by("id").values_list("action", flat=True)) == ["create", "scan_done", "complete"]


def test_a_job_that_is_not_due_is_left_alone(tree, scheduler):
    Job.objects.update(next_scan_at=Now() + timedelta(hours=1))
    scheduler.run_once()
    assert not Scan.objects.exists()


def test_who_does_not_lead_requests_nothing_but_performs_what_was_requested(tree, scheduler, broker):
    leases.acquire(LEADERSHIP, "another")
    scheduler.run_once()
    assert not Scan.objects.exists()
    services.run_now(tree.job, actor="user:ann")
    scheduler.run_once()
    assert Scan.objects.get().phase == "finished"
    assert Task.objects.count() == 3 and not broker.pending()


def test_leadership_is_let_go_at_the_end(tree, scheduler):
    scheduler.run_once()
    assert Lease.objects.get().holder == "" and leases.acquire(LEADERSHIP, "another")


def test_a_turn_takes_back_the_work_of_the_dead(tree, scheduler):
    tree.scan()
    dead = builders.new_slave()
    builders.claim(dead, tree.job)
    Slave.objects.update(lease_expires_at=Now())
    scheduler.turn()
    assert set(tree.statuses().values()) == {"retrying"}


def test_who_prepares_leads_but_begins_no_scan_and_changes_no_task(tree, scheduler):
    tree.scan()
    builders.claim(builders.new_slave(), tree.job)
    Slave.objects.update(lease_expires_at=Now())
    before = tree.statuses()
    services.run_now(tree.job, actor="sync")
    scheduler.prepare()
    assert Lease.objects.get().holder == scheduler.identity
    assert "in_progress" in before.values() and tree.statuses() == before
    assert Scan.objects.latest("id").phase == "requested"


def test_a_turn_cancels_what_a_killed_job_left(tree, scheduler):
    tree.scan()
    services.kill_job(tree.job, actor="user:ann")
    Scan.objects.create(job=tree.job)
    scheduler.turn()
    assert set(tree.statuses().values()) == {"cancelled"}
    assert Scan.objects.latest("id").error_code == "JOB_KILLED"


def test_a_scan_that_is_asked_to_stop_is_given_back_for_another_scheduler(tree):
    services.run_now(tree.job, actor="user:ann")
    thread = ScanThread(scans.claim("test", "here"), "here")
    thread.stop()
    thread.start()
    thread.join()
    assert tree.statuses() == {} and Scan.objects.get().phase == "requested"
    assert scans.claim("another", "elsewhere").epoch == 2


def test_a_scan_whose_lease_is_kept_is_not_taken_over(tree, scheduler):
    services.run_now(tree.job, actor="user:ann")
    assert scans.claim("another", "elsewhere")
    scheduler.run_once()
    assert Scan.objects.get().owner == "another"


def test_it_turns_until_it_is_told_to_stop(tree, scheduler):
    pauses = []

    def should_stop(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) > 3

    scheduler.run(should_stop)
    assert 0 < max(pauses) <= 1.0 and Lease.objects.get().holder == ""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite tells whether anything was written")
def test_between_two_turns_an_idle_scheduler_asks_nothing_but_whether_something_was_written(broker, monkeypatch):
    monkeypatch.setattr("transfers.scheduler.scheduler.TURN_SECONDS", 1000.0)

    def questions(looks: int) -> int:
        stop = iter([False] * looks + [True])
        with CaptureQueriesContext(connection) as asked:
            Scheduler(broker).run(lambda seconds: next(stop))
        return sum("data_version" not in query["sql"] for query in asked)

    assert 0 < questions(100) < questions(5) + 95  # one look and more that were not worth it
