"""The engine with Azure Blob Storage as its sink and as its source."""

import pytest

from tests.unit.engine.disturbances import (
    assert_that_a_commit_nobody_recorded_is_not_sent_again,
    stop_after_parts,
)
from tests.unit.engine.doubles import PART, pattern, sha256
from transfers.engine.contracts import Place, Result, Stop, Verify

BIG = 9 * PART + PART // 2
SERVICE = "azure"


def downloads(proxy):
    return [asked for asked in proxy.asked if asked.method == "GET" and "?" not in asked.target]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, BIG])
def test_a_file_arrives_whole(bench, sink, size):
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(size)))
    assert b"".join(sink.read_file(b"file")) == pattern(size)
    assert sink.get_file_info(b"file").sha256 == sha256(pattern(size))


def test_what_the_service_holds_is_not_sent_again(bench, sink, big):
    stop_after_parts(bench, 6, Stop.RELEASE)
    (stopped,) = bench.run(big)
    assert stopped.bytes_copied and not sink.file_exists(b"big")
    bench.calm()
    (done,) = bench.run(bench.again(big))
    assert done.result is Result.COMPLETED
    assert done.bytes_resumed and done.bytes_resumed + done.bytes_copied == BIG
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, sink, big):
    assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, big)


def test_blocks_the_service_has_forgotten_are_sent_again_and_it_says_so(bench, sink, big, stranger, caplog):
    """After a week. Nobody says that they were ever there."""
    stop_after_parts(bench, 6, Stop.RELEASE)
    bench.run(big)
    forgotten = stranger.get_blob_client("prefix/big")
    forgotten.commit_block_list([])
    forgotten.delete_blob()
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert "big: starts over because the sink holds nothing of its upload any more" in caplog.text
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_blocks_that_another_process_sent_are_not_verified_by_the_server(bench, azure_proxy, big):
    stop_after_parts(bench, 6, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    bench.verify = Verify.STORED
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.COMPLETED and outcome.bytes_resumed
    assert any(asked.method == "GET" and asked.target.endswith("/prefix/big") for asked in azure_proxy.asked)


def test_a_cancel_makes_nothing_visible(bench, sink, big):
    stop_after_parts(bench, 3, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert list(sink.list_files()) == []


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize(("verify", "reads_back"), [(Verify.STORED, False), (Verify.READBACK, True)])
def test_what_the_server_verified_is_not_read_back_where_that_is_enough(bench, azure_proxy, size, verify, reads_back):
    bench.verify = verify
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert outcome.result is Result.COMPLETED
    assert bool(downloads(azure_proxy)) is reads_back


def test_blobs_can_be_a_source_too(bench, big):
    bench.run(big)
    bench.source, bench.sink = bench.sink, Place(f"file://{bench.root}", b"sink")
    (outcome,) = bench.run(bench.work(1, "big", size=BIG))
    assert outcome.result is Result.COMPLETED
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
