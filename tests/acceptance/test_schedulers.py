"""Several schedulers: one leads, another takes over when it is gone, and what both do is done once."""

import signal
import time

import psycopg
import pytest

from jobs.bell import CHANNEL
from tests.acceptance.faults import IS_BIG, fill_many, freeze, thaw
from tests.acceptance.processes import eventually
from tests.support import stack

#: A lease of 15 s, and a turn or two.
TAKEOVER_SECONDS = 17.0
KNOWN_DEAD_SECONDS = 3.0
MANY = 100_000 if IS_BIG else 15_000


def leader(product):
    """The pid of the process that leads, 0 while there is none."""
    return pid_of(product.value("SELECT holder FROM jobs_lease WHERE name = 'scheduler'") or ":0:")


def pid_of(identity):
    return int(identity.split(":")[1])


def finished_scans(product, job):
    query = "SELECT count(*) FROM jobs_scan WHERE job_id = %s AND finished_at IS NOT NULL AND error_code = ''"
    return product.value(query, job)


def assert_one_row_per_path(product, job, files):
    rows = product.rows("SELECT path_display FROM jobs_task WHERE job_id = %s AND kind = 'file'", job)
    assert len(rows) == len({row["path_display"] for row in rows}) == files
    told = product.value("SELECT sum(delta) FROM jobs_counter WHERE job_id = %s AND name = 'file.pending'", job)
    assert told == files


def test_another_scheduler_takes_over_from_a_frozen_one_and_at_once_from_a_killed_one(product):
    first = product.start_scheduler()
    eventually(lambda: leader(product) == first.pid, 30, "the first to lead")
    second = product.start_scheduler()

    freeze(product, first)
    frozen_at = time.monotonic()
    eventually(lambda: leader(product) == second.pid, TAKEOVER_SECONDS, "the second to take over")
    assert time.monotonic() - frozen_at > 5
    fill_many(product.base / "source", 20, 10)
    job = product.create_job("source", "sink", interval=1)
    eventually(lambda: finished_scans(product, job) >= 1, 10, "a scan by the second")
    thaw(first)
    scans = finished_scans(product, job)
    eventually(lambda: finished_scans(product, job) >= scans + 2, 10, "more scans, with both awake")
    assert leader(product) == second.pid and (first.code, second.code) == (None, None)

    second.stop(signal.SIGKILL)
    killed_at = time.monotonic()
    eventually(lambda: leader(product) == first.pid, KNOWN_DEAD_SECONDS, "the first to lead again")
    assert time.monotonic() - killed_at < KNOWN_DEAD_SECONDS
    scans = finished_scans(product, job)
    eventually(lambda: finished_scans(product, job) > scans, 10, "a scan by the first")
    assert_one_row_per_path(product, job, 20)
    assert first.stop() == 0
    assert leader(product) == 0


def pids_that_scanned(product):
    owners = product.rows("SELECT DISTINCT owner FROM jobs_scan WHERE finished_at IS NOT NULL")
    return {pid_of(row["owner"]) for row in owners}


def test_two_schedulers_that_scan_again_and_again_make_no_row_twice(product):
    fill_many(product.base / "source", 1200, 10)
    schedulers = [product.start_scheduler(), product.start_scheduler()]
    jobs = [product.create_job("source", f"sink{number}", interval=1) for number in range(3)]
    eventually(lambda: all(finished_scans(product, job) >= 3 for job in jobs), 40, "three scans of each job", every=0.2)
    for job in jobs:
        assert_one_row_per_path(product, job, 1200)
    pids = {scheduler.pid for scheduler in schedulers}
    eventually(lambda: pids_that_scanned(product) == pids, 40, "both to have scanned", every=0.2)
    for job in jobs:
        assert_one_row_per_path(product, job, 1200)
    assert all("ERROR" not in scheduler.err and "Traceback" not in scheduler.err for scheduler in schedulers)


def test_a_scan_whose_scheduler_is_killed_in_the_middle_is_repeated_and_completes(product):
    fill_many(product.base / "source", MANY, 0)
    job = product.create_job("source", "sink")
    doomed = product.start_scheduler()
    eventually(lambda: product.statuses(job).get("pending", 0) > 1000, 30, "the middle of the scan", every=0.01)
    doomed.stop(signal.SIGKILL)
    known = product.statuses(job)["pending"]
    assert known < MANY and finished_scans(product, job) == 0

    killed_at = time.monotonic()
    product.start_scheduler()
    eventually(lambda: finished_scans(product, job) == 1, 60, "the scan to be repeated", every=0.2)
    assert time.monotonic() - killed_at < 40, "the dead scheduler's lease was waited for"
    [scan] = product.rows("SELECT * FROM jobs_scan WHERE job_id = %s", job)
    assert (scan["epoch"], scan["files_seen"], scan["errors"]) == (2, MANY, 0)
    assert_one_row_per_path(product, job, MANY)


@pytest.mark.skipif(not stack.is_postgres(), reason="about PostgreSQL")
def test_a_slave_that_has_nothing_left_wakes_the_scheduler(product):
    fill_many(product.base / "source", 20, 10)
    job = product.create_job("source", "sink")
    product.start_scheduler("--once").wait(30)
    with psycopg.connect(product.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        product.start_slave()  # and no scheduler, which rings as well
        eventually(lambda: product.statuses(job) == {"completed": 21}, 30, "all files and the directory at the sink")
        assert list(connection.notifies(timeout=10, stop_after=1))
