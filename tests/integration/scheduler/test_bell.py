"""What wakes a scheduler between two looks: on PostgreSQL whoever makes work for it, on SQLite nobody."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import bell, scans, services, transitions
from jobs.models import Scan, Task
from tests.integration.scan.tree import Tree, ordinary_folder
from tests.support import stack
from transfers.broker.memory import MemoryBroker
from transfers.management.commands import runscheduler
from transfers.scheduler.scheduler import Scheduler

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(not stack.is_postgres(), reason="about PostgreSQL")
NEVER = 3600.0
"""Seconds."""


class Heard:
    """Counts what a listener hears."""

    def __init__(self) -> None:
        self._woken = threading.Semaphore(0)
        self.wake = self._woken.release

    def a_ring(self, seconds: float = 10.0) -> bool:
        return self._woken.acquire(timeout=seconds)

    def nothing(self) -> bool:
        return not self.a_ring(0.3)


@pytest.fixture
def tree(settings):
    with ordinary_folder() as root:
        settings.STORAGES_CONFIGURED = {"local": root.as_uri() + "?shared=1"}
        yield Tree(root)


@pytest.fixture
def heard():
    heard = Heard()
    with bell.Listener(heard.wake):
        assert not stack.is_postgres() or heard.a_ring(), "it wakes once when it begins to listen"
        yield heard


@on_postgresql
class TestPostgresql:
    def test_a_ring_is_heard_when_its_transaction_commits(self, heard):
        with transaction.atomic():
            bell.ring()
            assert heard.nothing()
        assert heard.a_ring()

    def test_rings_that_come_close_together_are_one(self, heard, monkeypatch):
        monkeypatch.setattr(bell, "FIRST_PAUSE_SECONDS", 1.0)
        monkeypatch.setattr(bell, "PAUSE_SECONDS", 1.0)
        bell.ring()
        assert heard.a_ring(), "it pauses now"
        for _ in range(20):
            bell.ring()
        assert heard.a_ring() and not heard.a_ring(2.5)

    def test_while_rings_follow_each_other_fewer_and_fewer_are_heard(self, heard, monkeypatch):
        monkeypatch.setattr(bell, "FIRST_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(bell, "PAUSE_SECONDS", 2.0)
        for _ in range(2):
            bell.ring()
            assert heard.a_ring(1.0)
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            bell.ring()
        assert sum(iter(lambda: heard.a_ring(0.01), False)) < 15, "after 0.02, 0.04, 0.08 … seconds"

    def test_what_was_rolled_back_did_not_ring(self, heard):
        with transaction.atomic():
            bell.ring()
            transaction.set_rollback(True)
        assert heard.nothing()

    def test_what_people_ask_for_rings(self, tree, heard):
        for ask in (
            lambda: services.run_now(tree.job, actor="user:ann"),
            lambda: services.pause_job(tree.job, actor="user:ann"),
            lambda: services.resume_job(tree.job, actor="user:ann"),
            lambda: services.update_options(tree.job, actor="user:ann", interval=None),
        ):
            ask()
            assert heard.a_ring() and heard.nothing()

    def test_a_new_job_rings(self, heard, settings):
        with ordinary_folder() as root:
            settings.STORAGES_CONFIGURED = {"local": root.as_uri() + "?shared=1"}
            Tree(root)
            assert heard.a_ring()

    def test_a_scan_that_finds_work_rings_before_it_ends(self, tree, heard, monkeypatch):
        tree.write("a")
        monkeypatch.setattr(scans, "finish", lambda scan, **facts: Scan.objects.update(finished_at=Now()))
        tree.scan()
        assert heard.a_ring() and heard.nothing()
        tree.copy()
        tree.write("a", "changed")
        tree.scan()
        assert heard.a_ring()

    def test_what_is_tried_again_rings(self, tree, heard):
        tree.write("a")
        tree.scan()
        while heard.a_ring(0.3):
            pass
        Task.objects.update(status="failed", reason_code="SOURCE_IO", reason_text="it could not be read")
        assert services.retry_failed(tree.job, actor="user:ann") and heard.a_ring()
        while heard.a_ring(0.3):
            pass
        assert not services.retry_failed(tree.job, actor="user:ann") and heard.nothing()

    def test_the_end_of_a_scan_rings_although_it_found_nothing(self, tree, heard, monkeypatch):
        for name in ("discover", "rediscover"):
            monkeypatch.setattr(transitions, name, lambda job, rows: len(rows))
        tree.scan()
        assert heard.a_ring()

    def test_a_lost_connection_is_made_anew(self, heard, monkeypatch):
        monkeypatch.setattr(bell, "RETRY_SECONDS", 0.1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE query = %s AND datname = current_database()",
                [f"LISTEN {bell.CHANNEL}"],
            )
            assert cursor.fetchone() == (1,)
        assert heard.a_ring(), "it wakes once when it listens again"
        bell.ring()
        assert heard.a_ring()

    def test_it_ends_and_leaves_no_connection(self):
        before = set(threading.enumerate())
        with bell.Listener(lambda: None):
            assert len(set(threading.enumerate()) - before) == 1
        assert not set(threading.enumerate()) - before

    def test_one_round_listens_to_nobody(self, tree, monkeypatch):
        for name in ("StopFlag", "keep_what_is_loaded"):  # of this process
            monkeypatch.setattr(runscheduler, name, lambda: None)
        monkeypatch.setattr(runscheduler, "Listener", None)
        call_command("runscheduler", "--once")
        assert not tree.job.scans.filter(finished_at=None).exists()

    def test_a_scheduler_that_never_looks_by_itself_does_what_is_rung_for(self, tree):
        """From the request to the completed job."""
        tree.write("a")
        with running_scheduler() as wake, bell.Listener(wake):
            services.run_now(tree.job, actor="user:ann")
            eventually(lambda: tree.pending() == {".", "a"} and not tree.job.scans.filter(finished_at=None).exists())
            tree.copy()
            bell.ring()  # as a slave does that has nothing left
            eventually(lambda: job_status(tree) == "completed")


@pytest.mark.skipif(stack.is_postgres(), reason="about SQLite")
def test_on_sqlite_nothing_rings_and_nobody_listens(heard, django_assert_num_queries):
    with django_assert_num_queries(0):
        bell.ring()
    assert heard.nothing() and not [thread for thread in threading.enumerate() if thread.name == "bell"]


@contextmanager
def running_scheduler():
    """In a thread; gives what wakes it."""
    woken, is_over = threading.Event(), threading.Event()

    def should_stop(seconds: float) -> bool:
        woken.wait(NEVER if seconds else 0)
        woken.clear()
        return is_over.is_set()

    def run() -> None:
        with MemoryBroker() as broker:
            Scheduler(broker, look_seconds=NEVER, tells=False).run(should_stop)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield woken.set
    finally:
        is_over.set()
        woken.set()
        thread.join()


def job_status(tree: Tree) -> str:
    tree.job.refresh_from_db()
    return tree.job.status


def eventually(is_true) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
