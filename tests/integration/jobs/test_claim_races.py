"""Claims against pause and kill, and against each other, from several connections."""

import threading

import pytest
from django.db import connection, transaction

from jobs import services, transitions
from jobs.models import Job, Task
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db(transaction=True)


class Beside(threading.Thread):
    """Runs `action` on a connection of its own, open by now, and keeps what it returned or raised."""

    def __init__(self, action):
        super().__init__()
        self._action = action
        self.result = self.error = None
        self._is_ready = threading.Event()
        self.start()
        self._is_ready.wait(15)

    def run(self):
        try:
            connection.ensure_connection()
            self._is_ready.set()
            self.result = self._action()
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def get(self):
        self.join(15)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.result


@pytest.mark.parametrize("verb", [services.pause_job, services.kill_job])
def test_no_claim_succeeds_once_a_pause_or_kill_is_committed(verb):
    job, slave = builders.new_job(), builders.new_slave()
    builders.discover(job, b"a", b"b")
    with transaction.atomic():
        assert len(builders.claim(slave, job, limit=1)) == 1
        beside = Beside(lambda: verb(Job.objects.get(pk=job.pk), actor="user:ann"))
        beside.join(0.3)
        assert beside.is_alive(), "the verb waits for the claim under way, so nothing can slip in behind it"
    assert beside.get()
    assert builders.claim(slave, job) == []


def test_a_claim_that_waited_for_a_pause_finds_nothing():
    job, slave = builders.new_job(), builders.new_slave()
    builders.discover(job, b"a")
    with transaction.atomic():
        services.pause_job(job, actor="user:ann")
        beside = Beside(lambda: builders.claim(slave, job))
        beside.join(0.3)
        assert beside.is_alive()
    assert beside.get() == []


def test_claims_side_by_side_take_every_task_exactly_once():
    job = builders.new_job()
    ids = builders.discover(job, *(b"%03d" % number for number in range(200)))
    taken: list[int] = []

    def work():
        slave = builders.new_slave()
        while tasks := builders.claim(slave, job, limit=7):
            taken.extend(task.id for task in tasks)

    threads = [Beside(work) for _ in range(4)]
    for thread in threads:
        thread.get()
    # SKIP LOCKED may leave a claim with nothing although something waits; asked once more, it gets the rest.
    taken.extend(task.id for task in builders.claim(builders.new_slave(), job))
    assert sorted(taken) == sorted(ids)
    assert set(Task.objects.values_list("epoch", "attempts")) == {(1, 1)}


def test_two_settlements_of_one_task_have_one_winner():
    job, slave = builders.new_job(), builders.new_slave()
    task = builders.claim_one(slave, job)
    threads = [Beside(lambda: transitions.settle(slave, [builders.ending(task)])) for _ in range(2)]
    assert sorted(len(thread.get()) for thread in threads) == [0, 1]
