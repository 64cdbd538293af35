"""One big file whose job is killed or whose lease is lost: nothing is published, and only what is ours is removed."""

import pytest

from storage_backends.errors import InputOutputError
from tests.unit.engine.disturbances import around_session, stop_after_parts
from tests.unit.engine.doubles import Around
from transfers.engine.contracts import Result, Stop


@pytest.mark.parametrize("parts", range(11))
def test_a_cancel_at_any_part_leaves_nothing_behind(bench, big, parts):
    stop_after_parts(bench, parts, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.CANCELLED, "JOB_KILLED")
    assert list(bench.at_sink.iterdir()) == []
    assert bench.journal.tokens[1] == ""


def test_a_cancel_that_comes_with_the_intent_publishes_nothing(bench, big):
    original = bench.journal.intent

    def intent(*args):
        original(*args)
        bench.control.stop_at, bench.control.stop_with = 0, Stop.CANCEL

    bench.journal.intent = intent
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert list(bench.at_sink.iterdir()) == []


def test_a_lease_lost_at_any_question_to_the_journal_publishes_nothing(bench, big):
    (bench.at_sink / "big").write_bytes(b"old")
    for call in range(1, 50):
        bench.journal.calls, bench.journal.lose_at = 0, call
        (outcome,) = bench.run(big)
        if outcome.result is Result.COMPLETED:
            assert call > 4
            return
        assert (outcome.result, outcome.reason_code) == (Result.STOPPED, "LEASE_EXPIRED")
        assert (bench.at_sink / "big").read_bytes() == b"old"
    raise AssertionError("never completed")


def test_a_lease_that_runs_out_at_any_moment_publishes_nothing(bench, big):
    (bench.at_sink / "big").write_bytes(b"old")
    for question in range(1, 50):
        bench.control.asked, bench.control.lose_at = 0, question
        (outcome,) = bench.run(big)
        if outcome.result is Result.COMPLETED:
            assert question > 11
            return
        assert outcome.result is Result.STOPPED
        assert (bench.at_sink / "big").read_bytes() == b"old"
    raise AssertionError("never completed")


def test_past_the_lease_not_even_a_spoilt_partial_is_removed(bench, big):
    """It may be another's by now: an upload id is the same for both."""

    def sync():
        bench.control.lose_at = 0
        raise InputOutputError("EIO")

    around_session(bench, lambda session: Around(session, sync=sync))
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.STOPPED, "LEASE_EXPIRED")
    assert len(bench.partials()) == 1
    assert bench.journal.tokens[1]


def test_who_lost_the_task_before_its_first_byte_leaves_no_empty_partial(bench, big):
    work = bench.work(1, "big")
    bench.journal.lose_at = 2  # the partial is there, and its token is about to be saved
    (outcome,) = bench.run(work)
    assert outcome.reason_code == "LEASE_EXPIRED"
    assert bench.partials() == []


def test_who_lost_the_task_later_leaves_what_arrived_to_the_next(bench, big):
    work = bench.work(1, "big")
    bench.journal.lose_at = 4
    bench.run(work)
    assert len(bench.partials()) == 1
    bench.calm()
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.bytes_resumed > 0) == (Result.COMPLETED, True)
