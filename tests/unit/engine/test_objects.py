"""A sink like an object store: no directories, no links, read back only after the commit."""

import os

import pytest

from storage_backends.base import Kind
from storage_backends.registry import open_storage
from tests.unit.engine.doubles import PART, Around, pattern, sha256
from tests.unit.engine.test_large import BIG, Crash, around_session, crash_after_commit, stop_after_parts
from transfers.engine.contracts import Place, Result, Stop


@pytest.fixture
def sink(bench, request):
    """The bucket of this test, as the bench's sink."""
    bench.sink = Place(f"memory://{request.node.name.encode().hex()}", b"prefix")
    return open_storage(bench.sink.url, bench.sink.path)


@pytest.fixture
def big(bench, sink):
    bench.write("big", pattern(BIG))
    return bench.work(1, "big")


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART, BIG])
def test_a_file_arrives_whole(bench, sink, size):
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(size)))
    assert b"".join(sink.read_file(b"file")) == pattern(size)


@pytest.mark.parametrize("parts", range(1, 11))
def test_what_the_server_holds_is_not_sent_again(bench, sink, big, parts):
    stop_after_parts(bench, parts, Stop.RELEASE)
    (stopped,) = bench.run(big)
    assert stopped.result is Result.STOPPED
    assert not sink.file_exists(b"big")
    bench.calm()
    (done,) = bench.run(bench.again(big))
    assert (done.result, done.bytes_resumed, done.bytes_copied) == (Result.COMPLETED, parts * PART, BIG - parts * PART)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_checkpoint_that_contradicts_the_source_ends_what_is_kept(bench, sink, big):
    stop_after_parts(bench, 7, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    work = bench.again(big, checkpoints=((2 * PART, sha256(pattern(2 * PART))), (4 * PART, b"?" * 32)))
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 3 * PART)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_cancel_leaves_no_upload_behind(bench, sink, big):
    stop_after_parts(bench, 4, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert list(sink.list_uploads()) == []


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, sink, big):
    crash_after_commit(bench)
    with pytest.raises(Crash):
        bench.run(big)
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied, outcome.bytes_resumed) == (Result.COMPLETED, 0, BIG)
    assert outcome.sha256 == sha256(pattern(BIG))


def test_wrong_bytes_at_the_server_are_noticed(bench, sink, big):
    def wrap(session):
        def write_part(number, data):
            wrong = bytearray(data)
            wrong[7] ^= number == 5
            session.write_part(number, memoryview(wrong))

        return Around(session, write_part=write_part)

    around_session(bench, wrap)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.RETRY
    assert outcome.reason_code == "SINK_CHECKSUM_MISMATCH"
    assert bench.journal.tokens[1] == ""


def test_directories_need_nothing(bench, sink):
    (bench.at_source / "sub").mkdir()
    (outcome,) = bench.run(bench.work(1, "sub/", Kind.DIRECTORY))
    assert outcome.result is Result.COMPLETED


def test_links_are_skipped_with_a_reason(bench, sink):
    os.symlink("x", bench.at_source / "link")
    (outcome,) = bench.run(bench.work(1, "link", Kind.SYMLINK))
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SINK_NO_SYMLINKS")


def test_objects_can_be_a_source_too(bench, sink, big):
    bench.run(big)
    bench.source, bench.sink = bench.sink, Place(f"file://{bench.root}", b"sink")
    (outcome,) = bench.run(bench.work(1, "big", size=BIG))
    assert outcome.result is Result.COMPLETED
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
