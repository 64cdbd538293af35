"""One big file and a sink that fails, is full, holds wrong bytes or a directory in its place."""

import errno
import os

import pytest

from storage_backends.local import system
from tests.unit.engine.disturbances import around_session
from tests.unit.engine.doubles import PART, Around
from transfers.engine.contracts import Result, Verify


def fail(monkeypatch, name, number, *, after=0):
    """Let the system call `name` of the local storage fail with errno `number`, except the first `after` times."""
    original, calls = getattr(system, name), iter(range(1 << 30))

    def failing(*args, **kwargs):
        if next(calls) >= after:
            raise OSError(number, os.strerror(number))
        return original(*args, **kwargs)

    monkeypatch.setattr(system, name, failing)


@pytest.mark.parametrize("name", ["fdatasync", "fsync"])
def test_after_a_failed_sync_nothing_of_the_partial_is_used_again(bench, big, monkeypatch, name):
    with monkeypatch.context() as patch:
        fail(patch, name, errno.EIO)
        (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_IO_ERROR")
    assert bench.partials() == []
    assert (bench.journal.tokens[1], bench.journal.checkpoints.get(1)) == ("", None)
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 0)


def test_a_full_sink_keeps_what_arrived_and_costs_no_attempt(bench, big, monkeypatch):
    with monkeypatch.context() as patch:
        fail(patch, "pwrite", errno.ENOSPC, after=6)
        (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code, outcome.costs_attempt) == (Result.RETRY, "SINK_NO_SPACE", False)
    assert "big" in outcome.reason_text
    work = bench.again(big)
    (outcome,) = bench.run(work)
    assert outcome.result is Result.COMPLETED
    assert outcome.bytes_resumed == max((offset for offset, _ in work.checkpoints), default=0)


@pytest.mark.parametrize("proved", [0, 1, 99])
def test_a_partial_that_a_full_sink_lets_grow_no_further_gives_its_space_back(bench, big, monkeypatch, proved):
    """Two of them would hold each other's space for ever. To copy again what was not proved is no growth."""
    with monkeypatch.context() as patch:
        fail(patch, "pwrite", errno.ENOSPC, after=6)
        bench.run(big)
    assert bench.partials()
    work = bench.again(big)
    work = work._replace(checkpoints=work.checkpoints[:proved])
    resumed = max((offset for offset, _ in work.checkpoints), default=0) // PART
    with monkeypatch.context() as patch:
        fail(patch, "pwrite", errno.ENOSPC, after=6 - resumed)
        (outcome,) = bench.run(work)
    assert (outcome.result, outcome.reason_code, outcome.costs_attempt) == (Result.RETRY, "SINK_NO_SPACE", False)
    assert (bench.partials(), bench.journal.tokens[1]) == ([], "")
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 0)


@pytest.mark.parametrize("verify", [Verify.READBACK, Verify.DISK])
def test_wrong_bytes_at_the_sink_are_noticed_and_thrown_away(bench, big, verify):
    def wrap(session):
        def read_part(number, buffer):
            count = session.read_part(number, buffer)
            if number == 5:
                buffer[100] ^= 1
            return count

        return Around(session, read_part=read_part)

    around_session(bench, wrap)
    bench.verify = verify
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_CHECKSUM_MISMATCH")
    assert list(bench.at_sink.iterdir()) == []
    assert bench.journal.tokens[1] == ""


def test_a_directory_at_the_sink_is_a_conflict(bench, big):
    (bench.at_sink / "big").mkdir()
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.FAILED, "SINK_KIND_CONFLICT")
