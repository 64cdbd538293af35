"""Answers that are made for every file."""

import pytest

from storage_backends.base import FileInfo, Kind
from transfers.engine import outcomes
from transfers.engine.contracts import Identity, Outcome, Result
from transfers.engine.messages import Outcomes, unpack

SOURCE = FileInfo(b"a", Kind.FILE, 7, 11, "at source", 0o4755)
SINK = FileInfo(b"a", Kind.FILE, 7, 13, "at sink", 0o755)


class Work:
    task_id, epoch = 3, 5


@pytest.mark.parametrize("copied", [0, 7])
def test_a_completed_file_is_told_as_by_the_names_of_the_fields(copied):
    """`completed` knows their order by heart."""
    assert outcomes.completed(Work, SOURCE, SINK, b"digest", bytes_copied=copied) == Outcome(
        task_id=3,
        epoch=5,
        result=Result.COMPLETED,
        sha256=b"digest",
        source=Identity(size=7, mtime_ns=11, version="at source"),
        sink=Identity(size=7, mtime_ns=13, version="at sink"),
        size=7,
        bytes_copied=copied,
        dropped_bits=True,
    )


def test_a_copied_file_is_told_in_short_as_it_would_be_in_full():
    """`copied` knows by heart what `Outcomes.pack` makes of `completed`."""
    sink = SINK._replace(mode=None, size=8)
    in_full = outcomes.completed(Work, SOURCE, sink, b"digest", bytes_copied=7)
    in_short = outcomes.copied(Work, SOURCE, sink, b"digest")
    assert unpack(in_short) == in_full and Outcomes.pack([in_full]) == ((), [in_short])


@pytest.mark.parametrize(
    ("at_source", "at_sink", "is_dropped"),
    [
        (0o4755, 0o755, True),
        (0o6755, 0o4755, True),
        (0o2755, 0o2755, False),
        (0o755, 0o644, False),
        (0o4755, None, False),
        (None, 0o755, False),
        (0, 0o755, False),
        (0o4000, 0, True),
    ],
)
def test_setuid_and_setgid_that_got_lost_are_told(at_source, at_sink, is_dropped):
    assert outcomes.dropped_bits(SOURCE._replace(mode=at_source), SINK._replace(mode=at_sink)) is is_dropped
