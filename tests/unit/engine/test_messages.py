"""Messages arrive as they were sent, whatever was done to make them cheap."""

import pickle

import pytest

from transfers.engine.contracts import Identity, Outcome, Result
from transfers.engine.messages import Outcomes

PLAIN = Outcome(6, 1, Result.COMPLETED, b"s" * 32, Identity(5, 6, "1.2"), Identity(5, None, "3.4"), 5, 5)
EMPTY = Outcome(8, 1, Result.RETRY, reason_code="X", reason_text="it broke", retry_after_seconds=0.5)


@pytest.mark.parametrize("outcomes", [(), (PLAIN,), (EMPTY, PLAIN, EMPTY)])
def test_outcomes_arrive_as_they_were_sent(outcomes):
    received = pickle.loads(pickle.dumps(Outcomes.pack(outcomes)))
    assert sorted(received.in_full()) == sorted(outcomes)
    assert {type(outcome) for outcome in received.in_full()} <= {Outcome}
    assert len(received.copied) == outcomes.count(PLAIN)


@pytest.mark.parametrize(
    "change",
    [
        {"result": Result.RETRY},
        {"source": None},
        {"sink": None},
        {"size": 4},
        {"bytes_copied": 4},
        {"bytes_resumed": 1},
        {"adopted": True},
        {"dropped_bits": True},
        {"reason_code": "X"},
        {"reason_text": "x"},
        {"costs_attempt": False},
        {"retry_after_seconds": 1.0},
    ],
)
def test_what_is_not_plain_in_any_way_is_told_in_full(change):
    packed = Outcomes.pack([PLAIN._replace(**change)])
    assert packed.outcomes == (PLAIN._replace(**change),) and packed.copied == []


def test_an_assignment_comes_out_as_it_went_in():
    from storage_backends.base import Kind
    from transfers.engine.contracts import Assignment, Place, Verify, Work
    from transfers.engine.messages import pack_assignment, unpack_assignment

    place = Place("file:///", b"a")
    link = Work(2, 1, 1, Kind.SYMLINK, b"b", 0, token="t", checkpoints=((1, b"s"),))
    works = (Work(1, 2, 3, Kind.FILE, b"a", 4), link)
    assignment = Assignment(1, "job", "12345678", place, place, Verify.READBACK, works)
    assert unpack_assignment(pickle.loads(pickle.dumps(pack_assignment(assignment)))) == assignment
