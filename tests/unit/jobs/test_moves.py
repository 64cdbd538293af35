"""Every move of a job and its tasks, interleaved, against a model of its own; `make reliability LONG=1` takes more."""

import pytest

from tests.reliability.moves.machine import take_steps


@pytest.mark.django_db
def test_whatever_scheduler_slaves_reaper_and_operator_do_the_rows_are_what_the_model_says():
    assert take_steps(machines=40, steps=40) > 1000
