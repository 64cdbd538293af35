"""A sink like an object store: no directories, no links, read back only after the commit."""

import os
import threading
import time

import pytest

from storage_backends.base import Attributes, Kind, PartialId, UploadToken
from storage_backends.errors import Unreachable
from storage_backends.registry import open_storage
from tests.unit.engine.disturbances import (
    Open,
    around_session,
    assert_that_a_commit_nobody_recorded_is_not_sent_again,
    stop_after_parts,
)
from tests.unit.engine.doubles import BIG, PART, Around, pattern, sha256
from transfers.engine import large
from transfers.engine.contracts import Place, Result, Stop, Verify


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


def test_a_checkpoint_that_contradicts_the_source_ends_what_is_kept_at_the_one_before(bench, sink, big):
    stop_after_parts(bench, 7, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    work = bench.again(big, checkpoints=((2 * PART, sha256(pattern(2 * PART))), (4 * PART, b"?" * 32)))
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 2 * PART)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_cancel_leaves_no_upload_behind(bench, sink, big):
    stop_after_parts(bench, 4, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert list(sink.list_uploads()) == []


def test_a_lease_lost_before_the_token_is_saved_leaves_no_upload_behind(bench, sink, big):
    bench.journal.lose_at = 1
    (outcome,) = bench.run(big)
    assert outcome.reason_code == "LEASE_EXPIRED"
    assert list(sink.list_uploads()) == []


def test_a_lease_lost_later_leaves_the_upload_to_whoever_goes_on_with_it(bench, sink, big):
    """Also where it wrote nothing: the other one may have written some of it by now."""
    bench.control.lose_at = 1
    (outcome,) = bench.run(big)
    assert outcome.reason_code == "LEASE_EXPIRED"
    assert held_parts(sink, bench.journal.tokens[1]) == set()


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, sink, big):
    outcome = assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, big)
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


class Sessions:
    """Around every upload session: which parts were sent, how many at once, and what a test wants done to each."""

    def __init__(self, bench, each=lambda number: None):
        self.sent, self.at_once, self.most_at_once = [], 0, 0
        self._each, self._lock = each, threading.Lock()
        around_session(bench, lambda session: Around(session, write_part=lambda *part: self._write(session, *part)))

    def _write(self, session, number, data):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self._each(number)
            session.write_part(number, data)
        finally:
            with self._lock:
                self.at_once -= 1
                self.sent.append(number)


def test_parts_are_sent_several_at_once(bench, sink, big):
    sessions = Sessions(bench, lambda number: time.sleep(0.02))
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    assert sessions.most_at_once == sink.capabilities.parts_in_flight


@pytest.mark.parametrize("in_flight", [1, 4])
def test_the_source_is_read_on_while_a_part_is_sent(bench, sink, big, in_flight):
    """Where parts go one by one, too: the first is held up until the second one was read."""
    was_read = threading.Event()

    def around_sink(storage):
        storage.capabilities = storage.capabilities._replace(parts_in_flight=in_flight)

        def resume(*args):
            session = storage.resume_upload(*args)

            def write_part(number, data):
                assert was_read.wait(20)
                session.write_part(number, data)

            return Around(session, write_part=write_part)

        return Around(storage, resume_upload=resume)

    def around_source(storage):
        def open_file(path):
            source = storage.open_file(path)

            def read_into(offset, buffer):
                if offset == PART:
                    was_read.set()
                return source.read_into(offset, buffer)

            return Open(source, read_into=read_into)

        return Around(storage, open_file=open_file)

    bench.around_sink, bench.around_source = around_sink, around_source
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and was_read.is_set()


def test_the_token_is_saved_before_the_first_byte_leaves(bench, sink, big):
    was_saved = []
    Sessions(bench, lambda number: was_saved.append(bool(bench.journal.tokens.get(1))))
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and set(was_saved) == {True}


def test_parts_behind_a_gap_are_not_sent_again(bench, sink, big):
    def fail_in_the_middle(number):
        if number == 3:
            time.sleep(0.1)  # the three others under way arrive
            raise Unreachable("the network went away")

    Sessions(bench, fail_in_the_middle)
    (failed,) = bench.run(big)
    assert (failed.result, failed.reason_code) == (Result.RETRY, "SINK_UNREACHABLE")
    held = held_parts(sink, bench.journal.tokens[1])
    assert 3 not in held and max(held) > 3
    bench.calm()
    sessions = Sessions(bench)
    (done,) = bench.run(bench.again(big))
    assert done.result is Result.COMPLETED
    assert sorted(sessions.sent) == sorted(set(range(-(-BIG // PART))) - held)
    assert done.bytes_copied + done.bytes_resumed == BIG
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def held_parts(sink, token):
    return set(sink.resume_upload(UploadToken.from_json(token), PartialId("0badcafe", "0" * 20, 9)).held_parts)


def test_a_checkpoint_waits_for_every_part_below_it(bench, sink, monkeypatch):
    bench.write("long", pattern(60 * PART))
    monkeypatch.setattr(large, "CHECKPOINT_BYTES", PART)
    arrived = set()

    def slow_at_first(number):
        time.sleep(0.03 if number % 4 == 0 else 0.002)
        arrived.add(number)

    Sessions(bench, slow_at_first)
    checkpoint, early = bench.journal.checkpoint, []

    def save(work, offset, digest):
        early.extend(number for number in range(offset // PART) if number not in arrived)
        checkpoint(work, offset, digest)

    bench.journal.checkpoint = save
    bench.run(bench.work(1, "long"))
    assert len(bench.journal.checkpoints[1]) > 1
    assert early == []


def test_nothing_is_read_back_where_the_server_is_trusted(bench, sink, big):
    opened = []

    def around_sink(storage):
        storage.capabilities = storage.capabilities._replace(verifies_digest="sha256")
        return Around(storage, open_file=lambda path: opened.append(path) or storage.open_file(path))

    bench.around_sink, bench.verify = around_sink, Verify.STORED
    (outcome,) = bench.run(big)
    assert (outcome.result, opened) == (Result.COMPLETED, [])


def test_a_server_that_verifies_nothing_is_not_trusted(bench, sink, big):
    opened = []
    bench.around_sink = lambda storage: Around(
        storage, open_file=lambda path: opened.append(path) or storage.open_file(path)
    )
    bench.verify = Verify.STORED
    (outcome,) = bench.run(big)
    assert (outcome.result, opened) == (Result.COMPLETED, [b"big"])


def test_an_upload_of_a_vanished_file_is_removed_by_its_token(bench, sink, big):
    stop_after_parts(bench, 4, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    (bench.at_source / "big").unlink()
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.SKIPPED
    assert list(sink.list_uploads()) == []


def test_a_small_file_replaces_only_what_the_catalogue_knows(bench, sink):
    bench.write("file", b"new")
    sink.write_file(b"file", b"somebody else's", Attributes(), PartialId("0badcafe", "0" * 20, 1))
    (refused,) = bench.run(bench.work(1, "file"))
    assert (refused.result, refused.reason_code) == (Result.RETRY, "SINK_PRECONDITION_FAILED")
    (done,) = bench.run(bench.again(bench.work(1, "file")))  # looks before it writes
    assert done.result is Result.COMPLETED
    assert b"".join(sink.read_file(b"file")) == b"new"
