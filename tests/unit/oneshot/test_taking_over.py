"""Which listings that were begun early a one-shot sync lets its scan take over, and when it needs a slave."""

import time

import pytest
from django.utils import timezone

from jobs.models import Scan
from tests.unit.jobs import builders
from transfers.engine.mother import Mother
from transfers.oneshot import session
from transfers.oneshot.beginning import Request
from transfers.oneshot.errands import Place, first_sync
from transfers.oneshot.headstart import HeadStart
from transfers.oneshot.session import Session

pytestmark = pytest.mark.django_db


class Scheduler:
    """Keeps what it was told; its scan is over at once."""

    told = None
    met = 0

    def __init__(self, head_start):
        """Nothing to fork."""

    def begin(self, *, takes_over):
        type(self).told = takes_over

    def is_alive(self):
        return True

    def ask_to_stop(self):
        """It has ended."""

    stop = ask_to_stop


@pytest.fixture
def run(monkeypatch, settings, tmp_path):
    """`run(before, put)`: was the scheduler told to take listings over, and was a slave started?"""
    settings.STORAGES_CONFIGURED = {"local": tmp_path.as_uri()}
    monkeypatch.setattr(session, "SchedulerProcess", Scheduler)

    def run(before: dict[str, int], *statuses: str, head_start: HeadStart | None = None) -> tuple[bool, bool]:
        slaves = []
        monkeypatch.setattr(session, "run_slave", lambda *args, **options: slaves.append(args))
        made = Session(Request(("local", "/a"), ("local", "/b"), {}, 1), bool, lambda _: None, print, head_start)
        made.job = builders.new_job()
        for status in statuses:
            builders.put(made.job, status, status.encode())

        def prepare():
            made.before, made.scan = before, Scan.objects.create(job=made.job, finished_at=timezone.now())

        monkeypatch.setattr(made, "_prepare", prepare)
        with made.run():
            return Scheduler.told, bool(slaves)

    return run


def test_where_nothing_is_left_they_are_taken_over_and_a_slave_waits_for_the_scan(run):
    assert run({"completed": 1}, "completed") == (True, False)


@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (1, False)])
def test_what_was_listed_long_ago_is_listed_anew(run, monkeypatch, tmp_path, age, is_taken):
    monkeypatch.setattr("transfers.oneshot.headstart.FRESH_SECONDS", 0.5)
    head_start = HeadStart(first_sync([Place.of(tmp_path)], prefetch=None))
    time.sleep(age)
    assert run({"completed": 1}, "completed", head_start=head_start) == (is_taken, False)
    head_start.drop()


def test_a_scheduler_that_was_ended_is_told_of(run, monkeypatch, capsys):
    monkeypatch.setattr(Scheduler, "is_alive", lambda self: False)
    run({"completed": 1}, "completed")
    assert "the process that scans was ended before it was through" in capsys.readouterr().out


@pytest.mark.parametrize("status", ["pending", "retrying", "in_progress"])
def test_work_of_an_earlier_run_is_begun_at_once_and_forbids_it(run, status):
    assert run({"completed": 1}, "completed", status) == (False, True)


def test_a_first_sync_takes_them_over_and_has_its_slave_at_once(run):
    assert run({}) == (True, True)


def test_an_interrupted_scan_ends_before_those_it_asks(run, monkeypatch, tmp_path):
    ended = []
    monkeypatch.setattr(Scheduler, "stop", lambda self: ended.append("scan"))
    monkeypatch.setattr(Mother, "dismiss", lambda self: ended.append("mother"))
    monkeypatch.setattr(Mother, "close", lambda self: self._orders.close())
    head_start = HeadStart(first_sync([Place.of(tmp_path)], prefetch=None))
    run({"completed": 1}, "pending", head_start=head_start)
    assert ended[:2] == ["scan", "mother"]
    head_start.drop()
