"""From what a worker answered to what the database is told."""

import time
import uuid

import pytest

from jobs.models import Job
from jobs.reasons import REASONS
from jobs.states import FINAL, TaskStatus
from jobs.transitions import Claimed
from tests.unit.jobs.builders import DIGEST
from transfers.engine.contracts import Identity, Outcome, Result
from transfers.slave import settling

JOB = Job(max_attempts=3)
NOW = 1_700_000_000.0
OLD, SINK = Identity(9, int((NOW - 60) * 1e9), "v"), Identity(9, 5, "k")


def task(**fields) -> Claimed:
    values = {"id": 1, "job_id": uuid.UUID(int=1), "kind": "file", "path": b"a\xff", "size": 7, "epoch": 2}
    return Claimed(**{**values, "attempts": 1, "compare_first": False, "sink_version": "", **fields})


def settled(result: Result, *, claimed: Claimed | None = None, begun_at: float = NOW, **fields):
    claimed = claimed or task()
    if result is Result.COMPLETED:
        fields = {"sha256": DIGEST, "source": OLD, "sink": SINK, **fields}
    else:
        fields = {"reason_code": "SINK_IO_ERROR", "reason_text": "why", **fields}
    outcome = Outcome(claimed.id, claimed.epoch, result, **fields)
    return settling.settled(JOB, claimed, outcome, has_upload=False, begun_at=begun_at)


@pytest.mark.parametrize(
    ("result", "costs_attempt", "attempts", "status", "attempts_back", "has_delay"),
    [
        (Result.COMPLETED, True, 1, "completed", 0, False),
        (Result.COMPLETED, True, 3, "completed", 0, False),
        (Result.RETRY, True, 1, "retrying", 0, True),
        (Result.RETRY, True, 2, "retrying", 0, True),
        (Result.RETRY, True, 3, "failed", 0, False),
        (Result.RETRY, True, 9, "failed", 0, False),
        (Result.RETRY, False, 1, "retrying", 1, True),
        (Result.RETRY, False, 3, "retrying", 1, True),
        (Result.RETRY, False, 9, "retrying", 1, True),
        (Result.FAILED, True, 1, "failed", 0, False),
        (Result.FAILED, False, 1, "failed", 0, False),
        (Result.SKIPPED, True, 1, "skipped", 0, False),
        (Result.STOPPED, True, 1, "pending", 1, False),
        (Result.STOPPED, True, 3, "pending", 1, False),
        (Result.STOPPED, False, 3, "pending", 1, False),
        (Result.CANCELLED, True, 1, "cancelled", 0, False),
    ],
)
def test_status_attempts_and_delay(result, costs_attempt, attempts, status, attempts_back, has_delay):
    done = settled(result, claimed=task(attempts=attempts), costs_attempt=costs_attempt).settlement
    assert (done.status, done.attempts_back, done.delay_seconds is not None) == (status, attempts_back, has_delay)
    assert (done.id, done.epoch) == (1, 2)


def test_every_result_becomes_a_status_a_slave_may_settle():
    assert set(settling._STATUS) == set(Result)
    assert set(settling._STATUS.values()) == FINAL | {TaskStatus.PENDING, TaskStatus.RETRYING}


def test_a_completed_file_is_remembered_as_both_sides_looked():
    done = settled(Result.COMPLETED).settlement
    assert (done.checksum, done.size, done.copied_bytes) == (DIGEST, 9, 9)
    assert (done.source_mtime_ns, done.source_version) == (OLD.mtime_ns, "v")
    assert (done.sink_size, done.sink_mtime_ns, done.sink_version) == (9, 5, "k")
    assert (done.reason_code, done.compare_first) == ("", False)


@pytest.mark.parametrize("result", [result for result in Result if result is not Result.COMPLETED])
def test_what_is_not_completed_changes_nothing_that_is_known_of_either_side(result):
    done = settled(result, sha256=DIGEST, source=OLD, sink=SINK).settlement
    kept = ("checksum", "size", "source_mtime_ns", "source_version", "sink_size", "sink_mtime_ns", "sink_version")
    assert [getattr(done, name) for name in (*kept, "copied_bytes", "compare_first")] == [None] * 9


def test_a_released_task_carries_no_reason_and_any_other_does():
    assert settled(Result.STOPPED, reason_code="RELEASED").settlement.reason_code == ""
    for result in (Result.RETRY, Result.FAILED, Result.SKIPPED, Result.CANCELLED):
        done = settled(result).settlement
        assert (done.reason_code, done.reason_text) == ("SINK_IO_ERROR", "why")


def test_a_directory_has_no_checksum_and_is_never_compared():
    done = settled(Result.COMPLETED, claimed=task(kind="directory"), sha256=b"").settlement
    assert (done.checksum, done.compare_first) == (None, None)


def test_the_totals_are_told_what_was_sent_and_saved():
    done = settled(Result.COMPLETED, bytes_copied=4, bytes_resumed=5, adopted=True, dropped_bits=True)
    assert (done.copied, done.resumed, done.adopted, done.dropped_bits, done.old_size) == (4, 5, True, True, 7)


@pytest.mark.parametrize(
    ("when_changing", "status", "attempts_back", "delay"), [("fail", "failed", 0, None), ("wait", "retrying", 1, 45)]
)
def test_a_file_that_keeps_changing_fails_or_waits_for_quiet_as_the_job_says(
    when_changing, status, attempts_back, delay
):
    job, claimed = Job(max_attempts=3, when_changing=when_changing, quiet_seconds=45), task(attempts=3)
    outcome = Outcome(1, 2, Result.RETRY, reason_code="SOURCE_CHANGED", reason_text="why")
    done = settling.settled(job, claimed, outcome, has_upload=False, begun_at=NOW).settlement
    assert (done.status, done.attempts_back, done.delay_seconds) == (status, attempts_back, delay)


def test_what_a_full_sink_lacks_is_the_least_that_something_needs():
    def lack(copied=0, resumed=0, **fields):
        pair = (task(**fields), Outcome(1, 2, Result.RETRY, reason_code="SINK_NO_SPACE"))
        return pair[0], pair[1]._replace(bytes_copied=copied, bytes_resumed=resumed)

    assert settling.lack_of_room([(task(), Outcome(1, 2, Result.RETRY, reason_code="SINK_IO_ERROR"))]) is None
    assert settling.lack_of_room([lack(size=900), lack(size=500)]).bytes_needed == 500
    assert settling.lack_of_room([lack(size=900, copied=300, resumed=100)]).bytes_needed == 500
    assert settling.lack_of_room([lack(size=900, resumed=800)]).bytes_needed == 900  # it was removed: it did not grow
    assert settling.lack_of_room([lack(size=0)]).bytes_needed == 1


# ── delays ────────────────────────────────────────────────────────────────────────────────────────────────────


def delay(**fields) -> float:
    return settled(Result.RETRY, **fields).settlement.delay_seconds


def test_what_the_storage_asked_for_is_waited_for():
    assert delay(retry_after_seconds=77.0) == 77.0
    assert delay(retry_after_seconds=77.0, costs_attempt=False) == 77.0


def test_where_the_file_is_not_to_blame_it_is_not_asked_again_at_once():
    assert delay(costs_attempt=False, reason_code="SINK_NO_SPACE") == settling.PATIENCE_SECONDS
    assert delay(costs_attempt=False, reason_code="SINK_PARTIAL_BUSY") == settling.BUSY_PATIENCE_SECONDS


def test_retries_come_later_and_later_up_to_five_minutes_and_not_all_at_once():
    delays = {attempts: [settling.retry_delay_seconds(attempts) for _ in range(50)] for attempts in range(1, 30)}
    assert all(1.6 <= seconds <= 2.4 for seconds in delays[1])
    assert all(6.4 <= seconds <= 9.6 for seconds in delays[3])
    assert all(240 <= seconds <= 360 for seconds in delays[29])
    assert all(len(set(some)) > 25 for some in delays.values())


# ── times too fresh to be trusted ─────────────────────────────────────────────────────────────────────────────


def is_compared(mtime: float | None, begun_at: float) -> bool:
    source = Identity(9, None if mtime is None else int(mtime * 1e9), "v")
    return settled(Result.COMPLETED, source=source, begun_at=begun_at).settlement.compare_first


@pytest.mark.parametrize(("age", "expected"), [(60, False), (2.5, False), (1.5, True), (0, True), (-1, True)])
def test_a_file_modified_within_two_seconds_of_its_copy_is_compared_by_the_next_scan(age, expected):
    now = time.time()
    assert is_compared(now - age, begun_at=now) == expected


def test_a_file_modified_while_the_batch_was_under_way_is_compared():
    now = time.time()
    assert is_compared(now - 30, begun_at=now - 40)


def test_a_time_far_in_the_future_or_none_at_all_says_nothing():
    now = time.time()
    assert not is_compared(now + 3600, begun_at=now)
    assert not is_compared(None, begun_at=now)


# ── answers nobody gave ───────────────────────────────────────────────────────────────────────────────────────


def test_what_a_dead_worker_had_in_hand_costs_it_an_attempt():
    [outcome] = settling.died([task()], -9)
    assert (outcome.result, outcome.reason_code, outcome.costs_attempt) == (Result.RETRY, "WORKER_DIED", True)
    assert "-9" in outcome.reason_text and outcome.reason_code in REASONS


def test_what_was_never_begun_is_given_back():
    [outcome] = settling.released([task()])
    done = settling.settled(JOB, task(), outcome, has_upload=False, begun_at=NOW).settlement
    assert (done.status, done.attempts_back) == ("pending", 1)
