"""A one-shot sync ends while nothing but a storage that does not answer is left, or a sink that is full."""

import pytest

from jobs import parking
from tests.unit.jobs import builders
from transfers.oneshot import ending
from transfers.oneshot.ending import Ending

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(monkeypatch):
    """The end of a job with one file whose sink does not answer."""
    monkeypatch.setattr(ending, "UNREACHABLE_SECONDS", -1.0)
    job = builders.new_job()
    builders.put(job, "retrying", b"a", reason_code="SINK_UNREACHABLE")
    return Ending(job, is_dry_run=False)


def test_it_gives_up_on_a_storage_that_does_not_answer(waiting):
    assert waiting.is_nothing_left()


def test_it_does_not_before_its_time(waiting, monkeypatch):
    monkeypatch.setattr(ending, "UNREACHABLE_SECONDS", 300.0)
    assert not waiting.is_nothing_left()


def test_it_goes_on_as_long_as_something_else_is_to_do(waiting):
    builders.put(waiting.job, "pending", b"b")
    assert not waiting.is_nothing_left()


def test_it_goes_on_while_a_file_is_in_hand(waiting):
    builders.put(waiting.job, "in_progress", b"b")
    assert not waiting.is_nothing_left()


def test_it_ends_when_its_sink_is_full(waiting):
    builders.put(waiting.job, "pending", b"b")
    parking.park_full(waiting.job, parking.Lack("SINK_NO_SPACE", "a", 1), actor="slave:slave-001")
    assert waiting.is_nothing_left()
