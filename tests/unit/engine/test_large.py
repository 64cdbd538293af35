"""One big file: it arrives whole, and what is saved of it on its way is durable and true."""

import os
import time

import pytest

from tests.unit.engine.disturbances import around_session
from tests.unit.engine.doubles import BIG, PART, Around, pattern, sha256
from transfers.engine import large
from transfers.engine.contracts import Result, Verify


def spy(bench, *names):
    """Write calls of the session's methods `names` into the journal's log, in order, and do them."""

    def wrap(session):
        def logging(name):
            def method(*args):
                result = getattr(session, name)(*args)
                bench.journal.log.append((name,))
                return result

            return method

        return Around(session, **{name: logging(name) for name in names})

    around_session(bench, wrap)


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("size", [PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 8 * PART, BIG])
def test_a_file_arrives_whole_with_mode_and_time(bench, size, verify):
    path = bench.write("sub/file", pattern(size))
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    bench.verify = verify
    (outcome,) = bench.run(bench.work(1, "sub/file"))
    copy = bench.at_sink / "sub/file"
    assert copy.read_bytes() == pattern(size)
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(size)))
    assert (outcome.bytes_copied, outcome.bytes_resumed, outcome.size) == (size, 0, size)
    assert (copy.stat().st_mode & 0o7777, copy.stat().st_mtime_ns) == (0o640, 1_234_567_890_123_456_789)
    assert outcome.sink.version == f"{copy.stat().st_ino}.{copy.stat().st_ctime_ns}"
    assert bench.partials() == []


def test_an_empty_file_may_go_through_an_upload(bench):
    bench.write("empty", b"")
    bench.verify = Verify.DISK
    (outcome,) = bench.run(bench.work(1, "empty"))
    assert (outcome.result, outcome.sha256, outcome.bytes_copied) == (Result.COMPLETED, sha256(b""), 0)
    assert (bench.at_sink / "empty").read_bytes() == b""


def test_the_token_is_saved_before_the_first_byte_leaves(bench, big):
    spy(bench, "write_part")
    bench.run(big)
    names = [entry[0] for entry in bench.journal.log]
    assert names.index("save_token") < names.index("write_part")


def test_every_checkpoint_comes_after_a_sync_of_its_bytes(bench, big):
    spy(bench, "write_part", "sync")
    bench.run(big)
    written = synced = 0
    checkpoints = 0
    for entry in bench.journal.log:
        written += PART * (entry[0] == "write_part")
        synced = written if entry[0] == "sync" else synced
        if entry[0] == "checkpoint":
            checkpoints += 1
            assert entry[2] <= synced
    assert checkpoints


def test_a_checkpoint_holds_the_digest_of_its_prefix(bench, big):
    bench.run(big)
    assert bench.journal.checkpoints[1]
    for offset, digest in bench.journal.checkpoints[1].items():
        assert digest == sha256(pattern(BIG)[:offset])


def test_no_more_is_written_without_a_checkpoint_than_may_be_sent_again(bench, monkeypatch):
    """The disk is slower than the copying: what is written waits for it."""
    monkeypatch.setattr(large, "UNSAVED_BYTES", 6 * PART)
    bench.write("big", pattern(64 * PART))
    saved, unsaved = [0], []
    checkpoint = bench.journal.checkpoint

    def slowly(work, offset, sha256):
        time.sleep(0.02)
        [partial] = bench.partials()
        unsaved.append(partial.stat().st_size - saved[-1])
        checkpoint(work, offset, sha256)
        saved.append(offset)

    monkeypatch.setattr(bench.journal, "checkpoint", slowly)
    (outcome,) = bench.run(bench.work(1, "big"))
    assert outcome.result is Result.COMPLETED and len(unsaved) > 5
    assert max(unsaved) <= 6 * PART


def test_an_error_in_the_thread_that_saves_checkpoints_ends_the_copy(bench, big):
    def checkpoint(*args):
        raise ZeroDivisionError

    bench.journal.checkpoint = checkpoint
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "INTERNAL_ERROR")
    assert not (bench.at_sink / "big").exists()


def test_every_part_is_throttled(bench, big):
    bench.run(big)
    assert sum(bench.control.throttled) == BIG
