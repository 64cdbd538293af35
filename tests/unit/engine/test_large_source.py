"""One big file whose source changes, vanishes or can't be read while it is copied."""

import os

import pytest

from storage_backends.errors import InputOutputError
from tests.unit.engine.disturbances import change_source_while_copying, interrupted
from tests.unit.engine.doubles import BIG, PART, pattern
from transfers.engine.contracts import Result


@pytest.mark.parametrize("how", ["overwrite", "append", "truncate", "replace", "remove"])
def test_a_source_that_changes_meanwhile_is_never_published(bench, big, how):
    path = bench.at_source / "big"

    def change():
        if how == "overwrite":
            with path.open("r+b") as file:
                file.write(b"new")
        elif how == "append":
            with path.open("ab") as file:
                file.write(b"more")
        elif how == "truncate":
            os.truncate(path, PART)
        elif how == "replace":
            bench.write("new", pattern(BIG, seed=2)).rename(path)
        else:
            path.unlink()

    change_source_while_copying(bench, change)
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SOURCE_CHANGED")
    assert list(bench.at_sink.iterdir()) == []
    assert bench.journal.tokens[1] == ""


def test_a_source_that_can_not_be_read_keeps_the_upload(bench, big):
    work, _ = interrupted(bench, big, parts=2)

    def change():
        raise InputOutputError("EIO")

    change_source_while_copying(bench, change)
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SOURCE_IO_ERROR")
    bench.calm()
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 2 * PART)


def test_a_vanished_source_takes_its_partial_along(bench, big):
    work, _ = interrupted(bench, big)
    (bench.at_source / "big").unlink()
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_GONE")
    assert bench.partials() == []
