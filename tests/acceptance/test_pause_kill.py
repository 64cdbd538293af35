"""Pause, resume and kill, asked for over HTTP while a file is under way."""

import signal

import pytest

from tests.acceptance.faults import (
    IS_BIG,
    MIB,
    TALK_BYTES,
    Arrivals,
    BigCopy,
    assert_no_upload_is_remembered,
    bytes_sent,
    fill,
    fill_many,
    partials,
)
from tests.acceptance.processes import eventually

SIZE = 2 << 30 if IS_BIG else 96 * MIB
BYTES_PER_SECOND = 24 * MIB if IS_BIG else 12 * MIB
STOP_SECONDS = 5.0
#: A pause saves a checkpoint first, and the disk may be busy with the other tests.
PAUSE_SECONDS = 15.0
#: The next turn of the slave's housekeeping, every ten seconds, removes what a killed job left.
CLEANUP_SECONDS = 15.0


@pytest.fixture
def slow_copy(product):
    """A file of 48 MiB that takes eight seconds, and three more that wait behind it."""
    (product.base / "sink").mkdir()
    for number in range(3):
        fill(product.base / "source" / f"waiting{number}", 16 * MIB)
    return BigCopy(product, size=48 * MIB, bytes_per_second=6 * MIB)


def put(api, job, verb):
    status, answer = api("PUT", f"/api/jobs/{job}/{verb}")
    assert status == 200, answer
    return answer["status"]


def kill(api, job):
    status, answer = api("DELETE", f"/api/jobs/{job}")
    assert (status, answer["status"]) == (200, "killed")


def test_a_paused_copy_stops_within_seconds_and_goes_on_at_the_very_byte(product):
    copy = BigCopy(product, size=SIZE, bytes_per_second=BYTES_PER_SECOND)
    api = product.start_web()  # which may take as long as the copy
    slave = product.start_slave(concurrency=1)
    copy.wait_for(SIZE // 4, 60 + SIZE / BYTES_PER_SECOND)
    workers = slave.children()

    assert put(api, copy.job, "pause") == "paused"
    eventually(lambda: copy.task()["status"] == "pending", PAUSE_SECONDS, "the copy to stop")
    assert copy.task()["copied_bytes"] == copy.held() < SIZE
    assert not copy.sink.exists()

    assert api("PATCH", f"/api/jobs/{copy.job}", {"bytes_per_second": None})[0] == 200
    assert put(api, copy.job, "resume") == "running"
    product.wait_for_job(copy.job)
    assert slave.children() == workers
    assert 0 <= bytes_sent(slave) - SIZE <= TALK_BYTES
    copy.assert_copied()
    assert copy.task()["attempts"] == 1


def test_a_killed_job_s_copies_stop_within_5_seconds_and_leave_nothing_behind(product, slow_copy):
    api = product.start_web()
    with Arrivals(slow_copy.sink.parent) as arrivals:
        product.start_slave(concurrency=1)
        slow_copy.wait_for(8 * MIB)
        kill(api, slow_copy.job)
        eventually(lambda: is_over(product, slow_copy), STOP_SECONDS, "the copies to end")
        eventually(lambda: partials(slow_copy.sink.parent) == [], CLEANUP_SECONDS, "the partials to go")
        assert arrivals.counts() == {}
    assert set(product.statuses(slow_copy.job)) == {"cancelled"}
    assert list(slow_copy.sink.parent.iterdir()) == []
    assert_no_upload_is_remembered(product)


def test_a_job_that_is_killed_while_it_is_paused_leaves_no_partial_and_no_checkpoint(product, slow_copy):
    api = product.start_web()
    product.start_slave(concurrency=1)
    eventually(lambda: product.value("SELECT count(*) FROM jobs_checkpoint"), 30, "a checkpoint")
    put(api, slow_copy.job, "pause")
    eventually(lambda: slow_copy.task()["status"] == "pending", PAUSE_SECONDS, "the copy to stop")
    assert partials(slow_copy.sink.parent) != []

    kill(api, slow_copy.job)
    eventually(lambda: is_over(product, slow_copy), STOP_SECONDS, "the tasks to be cancelled")
    eventually(lambda: partials(slow_copy.sink.parent) == [], CLEANUP_SECONDS, "the partial to go")
    eventually(lambda: product.value("SELECT count(*) FROM jobs_upload") == 0, STOP_SECONDS, "its row to go")
    assert_no_upload_is_remembered(product)
    assert put_refused(api, slow_copy.job, "resume")


def is_over(product, copy):
    return set(product.statuses(copy.job)) == {"cancelled"}


def put_refused(api, job, verb):
    status, answer = api("PUT", f"/api/jobs/{job}/{verb}")
    return status == 409 and "killed" in answer["message"] and "running" in answer["message"]


def test_a_job_that_is_killed_after_its_slave_died_leaves_none_of_the_small_files_that_were_staged(product):
    source, sink = product.base / "source", product.base / "sink"
    fill_many(source, 100, 64 << 10)
    job = product.create_job("source", "sink", bytes_per_second=2 * MIB)
    product.start_scheduler()
    slave = product.start_slave("slave-001", concurrency=1)
    eventually(lambda: len(partials(sink)) > 20, 30, "the middle of the batch", every=0.02)
    slave.stop(signal.SIGKILL)
    product.steer("kill_job", job)
    eventually(lambda: set(product.statuses(job)) == {"cancelled"}, STOP_SECONDS, "the tasks to be cancelled")
    assert partials(sink) != []
    product.start_slave("slave-002", concurrency=1)
    eventually(lambda: partials(sink) == [], STOP_SECONDS, "the staged files to go")
