"""A full sink whose mount hangs when it is looked at."""

import threading

import pytest
from django.db.models.functions import Now

from jobs import parking
from jobs.models import Job, Lease
from tests.unit.jobs import builders
from transfers.broker.memory import MemoryBroker
from transfers.scheduler.scheduler import LEADERSHIP, Scheduler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hung(monkeypatch):
    """Asking for free room at a sink does not return before this is set; how often it was asked."""
    released, asked = threading.Event(), []

    def free_bytes(job):
        asked.append(job)
        assert released.wait(20), "it was waited for"
        return 1 << 40

    monkeypatch.setattr(parking, "_free_bytes", free_bytes)
    yield released, asked
    released.set()


@pytest.fixture
def full(db):
    job = builders.new_job()
    Job.objects.update(parked_code="SINK_NO_SPACE", parked_bytes=5000, parked_until=Now(), status="running")
    return job


def is_parked():
    return Job.objects.get().parked_code == "SINK_NO_SPACE"


def test_the_scheduler_goes_on_and_asks_once(full, hung):
    released, asked = hung
    with MemoryBroker() as broker:
        scheduler = Scheduler(broker)
        for _ in range(3):
            scheduler.turn()
        assert Lease.objects.get(name=LEADERSHIP).holder == scheduler.identity
        assert is_parked() and len(asked) <= 1
        released.set()
        scheduler._close()
    assert not is_parked() and len(asked) == 1
