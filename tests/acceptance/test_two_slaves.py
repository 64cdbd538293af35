"""Two slaves share a job; one dies, freezes, or is told that its lease is over. Its work goes on elsewhere, once."""

import re
import signal
import time

from tests.acceptance.faults import (
    MIB,
    Arrivals,
    assert_no_upload_is_remembered,
    assert_same_files,
    bytes_sent,
    fill,
    fill_many,
    freeze,
    is_alive,
    open_inodes,
    thaw,
)
from tests.acceptance.processes import eventually

#: A lease of 45 s, and a few turns until somebody takes the work.
TAKEOVER_SECONDS = 52.0
#: A process that is gone from this machine does not have to be waited for.
KNOWN_DEAD_SECONDS = 8.0
EXPIRE_LEASES = "from jobs.models import Slave; Slave.objects.update(lease_expires_at='2001-01-01T00:00Z')"


def incarnations(product, name):
    """Oldest first."""
    return product.rows("SELECT * FROM jobs_slave WHERE name = %s ORDER BY started_at", name)


def online(product, name):
    return [row for row in incarnations(product, name) if row["state"] == "online"]


def at_work(product, job, name):
    query = "SELECT * FROM jobs_task WHERE job_id = %s AND status = 'in_progress' AND slave_name = %s ORDER BY id"
    return product.rows(query, job, name)


def test_the_work_of_a_killed_slave_goes_on_at_the_other_and_nothing_is_published_twice(product):
    for number in range(10):
        fill(product.base / "source" / f"f{number}", 24 * MIB)
    (product.base / "sink").mkdir()
    job = product.create_job("source", "sink", bytes_per_second=32 * MIB)
    product.start_scheduler()
    with Arrivals(product.base / "sink") as arrivals:
        doomed, other = (product.start_slave(name, concurrency=1) for name in ("slave-001", "slave-002"))
        eventually(lambda: all(at_work(product, job, f"slave-00{n}") for n in (1, 2)), 30, "both to copy")
        eventually(lambda: bytes_sent(doomed) % (24 * MIB) > 4 * MIB, 10, "the middle of a file", every=0.02)
        [task] = at_work(product, job, "slave-001")
        doomed.stop(signal.SIGKILL)
        killed_at = time.monotonic()
        restarted = product.start_slave("slave-001", concurrency=1)

        eventually(
            lambda: epoch_of(product, task["id"]) > task["epoch"], KNOWN_DEAD_SECONDS, "another to take its task"
        )
        eventually(lambda: online(product, "slave-001"), KNOWN_DEAD_SECONDS, "the restarted slave to sign on")
        eventually(lambda: at_work(product, job, "slave-001"), KNOWN_DEAD_SECONDS, "the restarted slave to copy")
        assert time.monotonic() - killed_at < TAKEOVER_SECONDS / 2
        product.steer("update_options", job, bytes_per_second=None)
        product.wait_for_job(job)
        assert arrivals.counts() == {f"f{number}": 1 for number in range(10)}
    assert {other.code, restarted.code} == {None}
    assert [row["state"] for row in incarnations(product, "slave-001")] == ["offline", "online"]
    assert_same_files(product.base / "source", product.base / "sink")
    assert_no_upload_is_remembered(product)


def epoch_of(product, task_id):
    return product.value("SELECT epoch FROM jobs_task WHERE id = %s AND status <> 'retrying'", task_id) or 0


def test_a_second_live_slave_of_the_same_name_is_refused_with_the_reason(product):
    first = product.start_slave("slave-001", concurrency=1)
    eventually(lambda: online(product, "slave-001"), 30, "the first to sign on")
    second = product.start_slave("slave-001", concurrency=1)
    assert second.wait() == 1
    assert f"slave-001 is alive on {online(product, 'slave-001')[0]['host']} (pid {first.pid}" in second.err
    assert "Traceback" not in second.err
    assert first.code is None and len(incarnations(product, "slave-001")) == 1


def test_a_frozen_slave_s_work_is_taken_over_and_it_writes_nothing_when_it_wakes(product):
    """It holds two big files and a batch of small ones; meanwhile one big file and the small ones get new content."""
    source, sink = product.base / "source", product.base / "sink"
    fill(source / "big-changed", 40 * MIB)
    fill(source / "big-same", 40 * MIB)
    fill_many(source / "many", 100, 100 << 10)
    (sink / "many").mkdir(parents=True)
    job = product.create_job("source", "sink", bytes_per_second=12 * MIB)
    product.start_scheduler()
    with Arrivals(sink) as arrivals, Arrivals(sink / "many") as small_arrivals:
        frozen = product.start_slave("slave-001", concurrency=3)
        eventually(lambda: len(at_work(product, job, "slave-001")) == 102, 30, "everything to be under way", every=0.02)
        eventually(lambda: bytes_sent(frozen) > 14 * MIB, 30, "the middle of all of it", every=0.02)
        freeze(product, frozen)
        frozen_at = time.monotonic()
        workers, held = frozen.children(), open_inodes(frozen, str(sink))
        assert len(held) >= 2 and small_arrivals.counts() == {}
        fill(source / "big-changed", 40 * MIB)
        fill_many(source / "many", 100, 100 << 10)
        other = product.start_slave("slave-002", concurrency=3)

        eventually(lambda: len(at_work(product, job, "slave-002")) >= 52, TAKEOVER_SECONDS, "the other to take over")
        assert 30 < time.monotonic() - frozen_at < TAKEOVER_SECONDS
        eventually(lambda: bytes_sent(other) > 12 * MIB, 30, "the other to be in the middle, too", every=0.02)
        thaw(frozen)
        eventually(lambda: not any(map(is_alive, workers)), 10, "the old workers to be ended")
        eventually(lambda: online(product, "slave-001"), 10, "a new incarnation")
        product.steer("update_options", job, bytes_per_second=None)
        product.wait_for_job(job)

        assert arrivals.counts() == {"big-changed": 1, "big-same": 1}
        assert small_arrivals.counts() == {f"f{number:05}": 1 for number in range(100)}
    assert_same_files(source, sink)
    assert not set(held) & {path.stat().st_ino for path in (sink / "big-changed", sink / "big-same")}
    assert product.rows("SELECT DISTINCT epoch FROM jobs_task WHERE kind = 'file'") == [{"epoch": 3}]
    assert_no_upload_is_remembered(product)


def refused(log):
    """How many tasks of each group were somebody else's by the time it was answered for."""
    return [int(number) for number in re.findall(r"(\d+) of \1 tasks were not ours", log)]


def test_a_slave_whose_tasks_were_taken_away_publishes_none_of_them(product):
    """The database says that the lease is over before the slave's own clock does, and nobody else is there yet."""
    source, sink = product.base / "source", product.base / "sink"
    fill_many(source, 100, 20 << 10)
    sink.mkdir()
    job = product.create_job("source", "sink", bytes_per_second=2 * MIB)
    product.start_scheduler()
    eventually(lambda: product.statuses(job).get("pending", 0) >= 100, 30, "the scan")
    with Arrivals(sink) as arrivals:
        slave = product.start_slave("slave-001", concurrency=1)
        eventually(lambda: len(at_work(product, job, "slave-001")) == 100, 30, "the batch to be under way", every=0.02)
        product.steer("update_options", job, bytes_per_second=MIB // 8)
        product.manage("shell", "-c", EXPIRE_LEASES)
        eventually(lambda: product.statuses(job).get("retrying") == 100, 30, "the tasks to be taken back")
        eventually(lambda: sum(refused(slave.err)) == 100, 20, "the slave to hear of it", every=0.01)
        assert arrivals.counts() == {}
        product.steer("update_options", job, bytes_per_second=None)
        product.start_slave("slave-002", concurrency=1)
        product.wait_for_job(job)
        assert arrivals.counts() == {f"f{number:05}": 1 for number in range(100)}
    rows = product.rows("SELECT DISTINCT attempts, epoch FROM jobs_task WHERE kind = 'file'")
    assert rows == [{"attempts": 2, "epoch": 3}], "an incarnation that is over went on claiming"
    assert_same_files(source, sink)
