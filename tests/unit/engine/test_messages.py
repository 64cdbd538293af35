"""Messages arrive as they were sent, whatever was done to make them cheap."""

import pickle

import pytest

from transfers.engine.contracts import Identity, Outcome, Result
from transfers.engine.messages import Outcomes

FULL = Outcome(7, 2, Result.COMPLETED, b"s" * 32, Identity(5, 6, "1.2"), Identity(5, None, "3.4"), size=5, adopted=True)
EMPTY = Outcome(8, 1, Result.RETRY, reason_code="X", reason_text="it broke", retry_after_seconds=0.5)


@pytest.mark.parametrize("outcomes", [(), (FULL,), (EMPTY, FULL, EMPTY)])
def test_outcomes_arrive_as_they_were_sent(outcomes):
    received = pickle.loads(pickle.dumps(Outcomes(outcomes)))
    assert received == Outcomes(outcomes)
    assert type(received) is Outcomes and {type(outcome) for outcome in received.outcomes} <= {Outcome}
    identities = [identity for outcome in received.outcomes for identity in (outcome.source, outcome.sink)]
    assert {type(identity) for identity in identities} <= {Identity, type(None)}
