"""What a storage answers while somebody waits for it is refused, with what that person can do."""

import pytest

from jobs.errors import Refusal
from jobs.storages import blaming
from storage_backends.errors import BadCredentials, Throttled, Unreachable


@pytest.mark.parametrize("error", [Unreachable, Throttled])
def test_nothing_that_is_refused_is_said_to_go_on_by_itself(error):
    with pytest.raises(Refusal) as refused, blaming("sink"):
        raise error("no answer")
    assert (refused.value.code, refused.value.field) == (f"SINK_{error.code}", "sink_path")
    assert "again" in refused.value.hint
    assert "by itself" not in refused.value.hint and "Nothing" not in refused.value.hint


def test_the_rest_says_what_the_reason_says():
    with pytest.raises(Refusal) as refused, blaming("source"):
        raise BadCredentials("wrong key")
    hint = "Renew them where they are read: by the slave, or in the shell of make sync."
    assert refused.value.in_full == f"Source: wrong key. {hint}"
