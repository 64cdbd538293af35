"""The driver that measures rows comes to its end, whatever the count and however slow the machine."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs import slaves
from jobs.models import Slave, Task
from tests.benchmarks.rows_driver import Rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows(settings):
    """`rows(count)`: discovered, and nobody has begun."""
    settings.BROKER_URL = "database://"

    def make(count):
        run = Rows(count)
        run.discover()
        return run

    return make


@pytest.mark.parametrize("count", [1, 7, 1001])
def test_every_file_is_done(rows, count):
    rows(count).work()
    assert Task.objects.filter(status="completed").count() == count


def expire():
    Slave.objects.update(lease_expires_at=Now() - timedelta(seconds=1))


def test_what_came_before_may_take_longer_than_a_lease(rows):
    run = rows(7)
    expire()
    run.work()
    assert Task.objects.filter(status="completed").count() == 7


def test_a_lease_that_is_over_is_told_instead_of_asked_for_work_without_end(rows, monkeypatch):
    sign_on = slaves.sign_on
    monkeypatch.setattr(slaves, "sign_on", lambda slave: (sign_on(slave), expire()))
    with pytest.raises(RuntimeError, match="the lease is over"):
        rows(7).work()
