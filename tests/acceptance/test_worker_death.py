"""A worker process that dies alone: its slave lives on, and a poisonous file does not take its neighbours along."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from tests.acceptance.faults import (
    MIB,
    BigCopy,
    assert_same_files,
    bytes_written,
    fill,
    fill_many,
    is_alive,
    one_stack_is_enough,
    partials,
)
from tests.acceptance.processes import eventually

#: The first that lets the last attempt be made alone.
ATTEMPTS = 4
CLEANUP_SECONDS = 15.0


def test_the_file_of_a_killed_worker_is_tried_again_by_the_same_slave(product):
    copy = BigCopy(product, size=48 * MIB, bytes_per_second=12 * MIB)
    slave = product.start_slave(concurrency=2)
    copy.wait_for(28 * MIB)
    [victim] = [pid for pid in slave.children() if bytes_written(pid) > 20 * MIB]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not is_alive(victim), 5, "its end")
    eventually(lambda: copy.task()["reason_code"] == "WORKER_DIED", 5, "the reason", every=0.01)
    copy.hurry()
    product.wait_for_job(copy.job)
    copy.assert_copied()
    assert slave.code is None and len(slave.children()) == 1
    assert copy.task()["attempts"] == 2
    [resumed] = product.rows("SELECT sum(delta) AS n FROM jobs_counter WHERE name = 'bytes_resumed'")
    assert resumed["n"] > 0


class Poison:
    """Kills every worker of the slave that has the file open and has written the first of it."""

    def __init__(self, slave, path, sink):
        self.kills = 0
        self._slave, self._path, self._sink = slave, str(path), sink
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="poison")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(0.005):
            for pid in self._slave.children():
                if self._has_open(pid) and self._is_begun():
                    os.kill(pid, signal.SIGKILL)
                    self.kills += 1
                    eventually(lambda pid=pid: not is_alive(pid), 5, "its end", every=0.001)

    def _has_open(self, pid):
        with suppress(OSError):
            return any(self._is_it(link) for link in Path(f"/proc/{pid}/fd").iterdir())
        return False

    def _is_begun(self):
        with suppress(FileNotFoundError):
            return any(path.stat().st_size for path in partials(self._sink))
        return False

    def _is_it(self, link):
        with suppress(OSError):
            return os.readlink(link) == self._path
        return False


@one_stack_is_enough
def test_a_file_whose_worker_dies_each_time_ends_failed_and_its_neighbours_complete(product):
    """Between two attempts lie 2, 4 and 8 seconds. The poisonous file is the first of its batch, so that the others
    wait behind it each time."""
    source, sink = product.base / "source", product.base / "sink"
    fill(source / "a-poison", 4 * MIB)
    for number in range(4):
        fill(source / f"b-neighbour{number}", 2 * MIB)
    fill_many(source / "c-small", 50, 1000)
    job = product.create_job("source", "sink", bytes_per_second=8 * MIB, max_attempts=ATTEMPTS)
    product.start_scheduler()
    slave = product.start_slave(concurrency=1)
    with Poison(slave, source / "a-poison", sink) as poison:
        product.wait_for_job(job, seconds=60)
    assert poison.kills == ATTEMPTS
    assert slave.code is None

    failed = product.rows("SELECT * FROM jobs_task WHERE job_id = %s AND kind = 'file' AND status <> 'completed'", job)
    assert [(row["path_display"], row["status"]) for row in failed] == [("a-poison", "failed")]
    assert (failed[0]["attempts"], failed[0]["reason_code"]) == (ATTEMPTS, "WORKER_DIED")
    assert "exit code -9" in failed[0]["reason_text"]
    assert not (sink / "a-poison").exists()
    product.start_slave("slave-002", concurrency=1)  # looks for what nobody will finish at once, and every ten seconds
    eventually(lambda: partials(sink) == [], CLEANUP_SECONDS, "what it left to be removed")
    (source / "a-poison").unlink()
    assert_same_files(source, sink)
