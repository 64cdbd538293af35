"""A job and a slave that may work for it."""

import pytest

from jobs.models import Job, Slave
from tests.unit.jobs import builders


@pytest.fixture
def job(db) -> Job:
    return builders.new_job()


@pytest.fixture
def slave(db) -> Slave:
    return builders.new_slave()
