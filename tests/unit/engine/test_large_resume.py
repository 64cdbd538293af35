"""The next attempt at one big file: what is kept of the last one, and what is never believed."""

import fcntl
import os

import pytest

from storage_backends.errors import UploadGone
from tests.unit.engine.disturbances import (
    Crash,
    around_session,
    crash_after_commit,
    interrupted,
    log_sync_file,
    stop_after_parts,
)
from tests.unit.engine.doubles import BIG, PART, Around, pattern, sha256
from transfers.engine.contracts import Result, Stop


@pytest.mark.parametrize("parts", range(1, 11))
def test_a_release_saves_the_exact_byte_and_the_next_attempt_goes_on_from_there(bench, big, parts):
    stop_after_parts(bench, parts, Stop.RELEASE)
    (stopped,) = bench.run(big)
    assert (stopped.result, stopped.bytes_copied, stopped.costs_attempt) == (Result.STOPPED, parts * PART, False)
    assert max(bench.journal.checkpoints[1]) == parts * PART
    assert not (bench.at_sink / "big").exists()
    bench.calm()
    (done,) = bench.run(bench.again(big))
    assert (done.result, done.bytes_resumed) == (Result.COMPLETED, parts * PART)
    assert done.bytes_copied == BIG - parts * PART
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_resume_stops_at_the_last_checkpoint_that_matches(bench, big):
    work, partial = interrupted(bench, big)
    good = [offset for offset, _ in work.checkpoints][-2]
    with partial.open("r+b") as file:
        file.seek(good + 5)
        file.write(b"\0\0\0\0")
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, good)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_resume_believes_no_row_about_bytes_that_are_not_there(bench, big):
    work, partial = interrupted(bench, big)
    os.truncate(partial, 3 * PART)
    (outcome,) = bench.run(work)
    proven = max([offset for offset, _ in work.checkpoints if offset <= 3 * PART], default=0)
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, proven)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_bytes_that_no_checkpoint_proves_are_thrown_away(bench, big):
    work, partial = interrupted(bench, big)
    with partial.open("ab") as file:
        file.write(b"x" * PART)
    (outcome,) = bench.run(work._replace(checkpoints=()))
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 0)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_what_is_not_proven_is_gone_before_anything_is_written(bench, big):
    work, partial = interrupted(bench, big)
    good = [offset for offset, _ in work.checkpoints][-2]
    with partial.open("r+b") as file:
        file.seek(good + 5)
        file.write(b"\0\0\0\0")
    stop_after_parts(bench, work.checkpoints[-1][0] // PART, Stop.RELEASE)
    bench.run(work)
    (partial,) = bench.partials()
    assert partial.stat().st_size == good


def test_a_missing_partial_is_begun_again_and_its_checkpoints_forgotten(bench, big):
    work, partial = interrupted(bench, big)
    partial.unlink()
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.bytes_resumed, outcome.bytes_copied) == (Result.COMPLETED, 0, BIG)
    assert ("save_token", 1, False) in bench.journal.log
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_an_unreadable_token_means_beginning_again(bench, big):
    (outcome,) = bench.run(big._replace(token='{"schema": 99}', checkpoints=((PART, b"?" * 32),)))
    assert (outcome.result, outcome.bytes_resumed) == (Result.COMPLETED, 0)


def test_another_source_version_starts_over_in_a_new_inode(bench, big):
    work, partial = interrupted(bench, big)
    old = partial.open("rb")  # its inode number can't be used again while it is open
    bench.write("big", pattern(BIG, seed=1))
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.bytes_resumed, outcome.bytes_copied) == (Result.COMPLETED, 0, BIG)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG, seed=1)
    assert (bench.at_sink / "big").stat().st_ino != os.fstat(old.fileno()).st_ino
    old.close()


def test_a_partial_that_somebody_holds_for_ever_is_left_to_him(bench, big):
    work, partial = interrupted(bench, big)
    with partial.open("r+b") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        (done,) = bench.run(work)
        if done.result is Result.RETRY:
            assert (done.reason_code, done.costs_attempt) == ("SINK_PARTIAL_BUSY", False)
            (done,) = bench.run(bench.again(work))
        frozen.seek(0)
        frozen.write(b"late bytes of a zombie")
        frozen.flush()
    assert (done.result, done.bytes_resumed) == (Result.COMPLETED, 0)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_an_upload_that_is_forgotten_meanwhile_is_begun_again_once(bench, big):
    gone = iter([True])

    def wrap(session):
        def write_part(number, data):
            if number == 5 and next(gone, False):
                raise UploadGone
            session.write_part(number, data)

        return Around(session, write_part=write_part)

    around_session(bench, wrap)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_an_upload_that_is_forgotten_again_and_again_is_left_to_another_attempt(bench, big):
    def write_part(number, data):
        raise UploadGone

    around_session(bench, lambda session: Around(session, write_part=write_part))
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_UPLOAD_GONE")


def crash_before_commit(bench):
    def commit():
        raise Crash

    around_session(bench, lambda session: Around(session, commit=commit))


def test_what_was_published_before_a_crash_is_read_back_and_not_sent_again(bench, big):
    crash_after_commit(bench)
    with pytest.raises(Crash):
        bench.run(big)
    bench.calm()
    synced = log_sync_file(bench)
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied, outcome.bytes_resumed) == (Result.COMPLETED, 0, BIG)
    assert outcome.sha256 == sha256(pattern(BIG))
    assert synced == [b"big"]  # the crash may have come before the rename was durable


def test_a_sink_that_is_not_as_intended_is_written_again(bench, big):
    crash_after_commit(bench)
    with pytest.raises(Crash):
        bench.run(big)
    bench.calm()
    copy = bench.at_sink / "big"
    times = (copy.stat().st_atime_ns, copy.stat().st_mtime_ns)
    with copy.open("r+b") as file:
        file.write(b"bit rot")
    os.utime(copy, ns=times)
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert copy.read_bytes() == pattern(BIG)


def test_a_crash_between_intent_and_commit_resumes(bench, big):
    crash_before_commit(bench)
    with pytest.raises(Crash):
        bench.run(big)
    bench.calm()
    work = bench.again(big)
    (outcome,) = bench.run(work)
    assert outcome.result is Result.COMPLETED
    assert outcome.bytes_resumed == work.checkpoints[-1][0] > 0
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
