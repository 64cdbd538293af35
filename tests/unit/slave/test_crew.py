"""Who is free, who will be soon, and how much more than its share that one can do."""

import itertools

import pytest

from jobs import transitions
from tests.unit.jobs import builders
from transfers.engine.contracts import Stop
from transfers.slave import worker as workers
from transfers.slave.claims import Batch, assignment
from transfers.slave.crew import Crew

pytestmark = pytest.mark.django_db


class Process:
    """Notes what it is told."""

    def __init__(self, start):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *arguments))


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(workers, "time", clock)
    monkeypatch.setattr(workers, "WorkerProcess", Process)
    return clock


@pytest.fixture
def crew(clock):
    return Crew(2, deadline=lambda: 7.0, start=None)


@pytest.fixture
def give(db):
    job, slave, numbers = builders.new_job(), builders.new_slave(), itertools.count()

    def give(worker, files):
        builders.discover(job, *[b"%06d" % next(numbers) for _ in range(files)])
        tasks = transitions.claim_files(slave, job.pk, limit=files, choose=lambda rows: [row.id for row in rows])
        batch = Batch.of(job, tasks)
        worker.assign(batch, assignment(batch, number=1, installation="x"))

    return give


def test_a_crew_that_has_nothing_has_no_lead(crew):
    assert crew.is_idle and crew.wanted() == 2
    assert crew.lead([]) == 0


def test_who_is_free_while_the_other_has_forty_files_can_do_twenty_more_than_its_share(crew, give):
    first, _ = crew
    give(first, 40)
    assert crew.busy() == [first] and crew.wanted() == 2
    assert crew.lead([]) == 20


def test_what_is_in_reserve_goes_to_whoever_is_free(crew, give):
    first, _ = crew
    give(first, 40)
    assert crew.lead([30]) == 5
    assert crew.lead([40]) == 0
    assert crew.lead([50, 10]) == 0


def test_what_a_worker_has_left_is_told_by_the_pace_of_its_last_batch(crew, give, clock):
    first, _ = crew
    give(first, 40)
    clock.now += 2
    assert first.left() == 40  # nobody knows its pace yet
    first.finished()
    assert first.left() == 0
    give(first, 100)
    clock.now += 3
    assert first.left() == 40
    assert crew.lead([]) == 20
    clock.now += 30
    assert first.left() == 0


def test_processes_start_with_the_first_assignment_or_when_work_is_expected(crew):
    assert not any(worker.is_started for worker in crew)
    crew.start()
    assert all(worker.process.told == [("set_lease_deadline", 7.0)] for worker in crew)


def test_another_worker_takes_the_place_of_one_that_died(crew):
    crew.start()
    first, second = crew
    crew.bury(first)
    assert first.process.told[-1] == ("kill",)
    assert first not in list(crew) and second in list(crew) and len(list(crew)) == 2
    crew.set_lease_deadline(9.0)
    assert second.process.told[-1] == ("set_lease_deadline", 9.0) != first.process.told[-1]


def test_only_who_has_something_is_asked_to_stop(crew, give):
    first, second = crew
    crew.start()
    give(first, 1)
    crew.ask_to_stop(Stop.RELEASE)
    assert first.process.told[-1] == ("stop", Stop.RELEASE)
    assert second.process.told == [("set_lease_deadline", 7.0)]
