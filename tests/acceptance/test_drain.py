"""A slave that ends, or loses its lease, with a batch in reserve and a worker that is still starting."""

import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.faults import assert_no_upload_is_remembered, assert_same_files, fill_many
from tests.acceptance.processes import eventually
from tests.acceptance.test_two_slaves import EXPIRE_LEASES

FILES = 200
NAMES = ("one", "two")


@pytest.fixture
def jobs(product):
    """Two of them: each is one batch."""
    for name in NAMES:
        fill_many(product.base / "sources" / name, FILES, 4096)
    jobs = [product.create_job(f"sources/{name}", f"sinks/{name}") for name in NAMES]
    product.start_scheduler()
    eventually(lambda: count(product, "status = 'pending' AND kind = 'file'") == 2 * FILES, 30, "the scans")
    return jobs


@pytest.fixture
def slave(product, jobs):
    """Its worker has a batch and stands still, the other batch is in reserve."""
    slave = product.start_slave("slave-001", concurrency=1)
    eventually(lambda: workers(slave), 30, "its worker to start", every=0.001)
    signal_workers(slave, signal.SIGSTOP)
    eventually(lambda: count(product, "status = 'in_progress'") == 2 * FILES, 10, "both batches to be claimed")
    return slave


def count(product, condition):
    return product.value(f"SELECT count(*) FROM jobs_task WHERE {condition}")


def workers(slave):
    """Not those that are still to be executed: their slave waits for that."""
    return [pid for pid in slave.children() if b"engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def signal_workers(slave, number):
    for pid in workers(slave):
        os.kill(pid, number)


def attempts(product):
    """(attempts, epoch) → files."""
    query = "SELECT attempts, epoch, count(*) AS n FROM jobs_task WHERE kind = 'file' GROUP BY attempts, epoch"
    return {(row["attempts"], row["epoch"]): row["n"] for row in product.rows(query)}


def assert_all_is_there(product, jobs):
    for job in jobs:
        product.wait_for_job(job)
    assert_same_files(product.base / "sources", product.base / "sinks")
    assert_no_upload_is_remembered(product)


def test_after_sigterm_what_was_not_begun_waits_again_and_costs_no_attempt(product, jobs, slave):
    slave.kill(signal.SIGTERM)
    eventually(lambda: count(product, "status = 'in_progress'") == FILES, 10, "the reserve to be given back")
    signal_workers(slave, signal.SIGCONT)
    assert slave.wait() == 0 and "Traceback" not in slave.err
    assert count(product, "status = 'in_progress'") == 0
    product.start_slave("slave-002", concurrency=1)
    assert_all_is_there(product, jobs)
    assert {attempt for attempt, _ in attempts(product)} == {1}


def test_after_the_second_sigterm_another_one_does_what_is_left(product, jobs, slave):
    """It ends at once; what was in its hand costs an attempt, what was in reserve does not."""
    slave.kill(signal.SIGTERM)
    eventually(lambda: count(product, "status = 'in_progress'") == FILES, 10, "the reserve to be given back")
    assert slave.stop(signal.SIGTERM) == -signal.SIGTERM
    product.start_slave("slave-002", concurrency=1)
    assert_all_is_there(product, jobs)
    assert attempts(product) == {(1, 2): FILES, (2, 3): FILES}


def test_a_lease_that_is_lost_while_a_worker_starts_publishes_nothing(product, jobs, slave):
    product.manage("shell", "-c", EXPIRE_LEASES)
    eventually(lambda: count(product, "status = 'retrying'") == 2 * FILES, 30, "the tasks to be taken back")
    signal_workers(slave, signal.SIGCONT)
    eventually(lambda: "a new one signs on" in slave.err, 60, "a new incarnation")
    assert_all_is_there(product, jobs)
    assert "Traceback" not in slave.err
    assert attempts(product) == {(2, 3): 2 * FILES}
