"""What a sink can't keep is said in plain words, once, and nothing is said where nothing is lost."""

import pytest

from storage_backends.fidelity import losses
from storage_backends.local.storage import CAPABILITIES as LOCAL
from storage_backends.memory import CAPABILITIES as OBJECTS


@pytest.mark.parametrize("same", [LOCAL, OBJECTS])
def test_between_equals_nothing_is_lost(same):
    assert losses(same, same) == []


def test_objects_lose_nothing_on_a_disk():
    assert losses(OBJECTS, LOCAL) == []


@pytest.mark.parametrize("what", ["Empty directories", "Symbolic links", "not UTF-8"])
def test_what_an_object_store_can_not_keep_of_a_disk_is_told(what):
    assert len([sentence for sentence in losses(LOCAL, OBJECTS) if what in sentence]) == 1


@pytest.mark.parametrize(
    ("nanoseconds", "words"), [(10**9, "whole seconds"), (2 * 10**9, "steps of 2 seconds"), (100, "steps of 100 ns")]
)
def test_coarser_times_are_told(nanoseconds, words):
    assert losses(LOCAL, LOCAL._replace(mtime_resolution_ns=nanoseconds)) == [
        f"Modification times are cut to {words}."
    ]


def test_a_sink_that_can_not_change_metadata_says_so():
    [sentence] = losses(LOCAL, LOCAL._replace(sets_attributes=False))
    assert "keeps the time" in sentence
