"""Answers that are made for every file."""

import pytest

from storage_backends.base import FileInfo, Kind
from transfers.engine import outcomes
from transfers.engine.contracts import Identity, Outcome, Result

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
