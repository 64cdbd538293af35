"""The engine with Google Cloud Storage as its sink and as its source."""

import pytest

from tests.unit.engine.disturbances import (
    assert_that_a_commit_nobody_recorded_is_not_sent_again,
    stop_after_parts,
)
from tests.unit.engine.doubles import pattern, sha256
from transfers.engine.contracts import Place, Result, Stop, Verify

PART = 256 << 10
BIG = 5 * PART + PART // 2
SERVICE = "gcs"


def downloads(strict):
    return [each for each in strict.requests if "alt=media" in each]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART, BIG])
def test_a_file_arrives_whole(bench, sink, size):
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(size)))
    assert b"".join(sink.read_file(b"file")) == pattern(size)


@pytest.mark.parametrize("parts", range(1, 6))
def test_what_the_service_holds_is_not_sent_again(bench, sink, big, parts):
    stop_after_parts(bench, parts, Stop.RELEASE)
    bench.run(big)
    assert not sink.file_exists(b"big")
    bench.calm()
    (done,) = bench.run(bench.again(big))
    held = parts * PART
    assert (done.result, done.bytes_resumed, done.bytes_copied) == (Result.COMPLETED, held, BIG - held)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_checkpoint_that_contradicts_the_source_begins_again(bench, sink, big):
    stop_after_parts(bench, 4, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    (outcome,) = bench.run(bench.again(big, checkpoints=((2 * PART, b"?" * 32),)))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, sink, big):
    assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, big)


def test_a_cancel_leaves_no_upload_behind(bench, strict_gcs, big):
    stop_after_parts(bench, 3, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert [session.end.status for session in strict_gcs.sessions.values()] == [499]


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize(("verify", "reads_back"), [(Verify.STORED, False), (Verify.READBACK, True)])
def test_what_the_server_verified_is_not_read_back_where_that_is_enough(bench, strict_gcs, size, verify, reads_back):
    bench.verify = verify
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert outcome.result is Result.COMPLETED
    assert bool(downloads(strict_gcs)) is reads_back


def test_an_upload_that_went_on_in_another_process_is_read_back_all_the_same(bench, strict_gcs, big):
    bench.verify = Verify.STORED
    stop_after_parts(bench, 2, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.COMPLETED
    assert downloads(strict_gcs)


def test_an_upload_the_service_has_forgotten_begins_again_and_says_so(bench, strict_gcs, sink, big, caplog):
    stop_after_parts(bench, 2, Stop.RELEASE)
    bench.run(big)
    strict_gcs.sessions.clear()
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert "big: starts over because the sink knows nothing of its upload any more" in caplog.text
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_objects_can_be_a_source_too(bench, big):
    bench.run(big)
    bench.source, bench.sink = bench.sink, Place(f"file://{bench.root}", b"sink")
    (outcome,) = bench.run(bench.work(1, "big", size=BIG))
    assert outcome.result is Result.COMPLETED
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
