"""One big file: what is sent, what is kept, and what is never believed."""

import errno
import fcntl
import os
import time

import pytest

from storage_backends.errors import InputOutputError, UploadGone
from storage_backends.local import system
from tests.unit.engine.doubles import PART, Around, pattern, sha256
from transfers.engine import large
from transfers.engine.contracts import Result, Stop, Verify

BIG = 10 * PART + 77


class Crash(BaseException):
    """The process dies here."""


def around_session(bench, wrap):
    """Put something around every upload session of the sink."""

    def around_sink(storage):
        return Around(storage, resume_upload=lambda *args: wrap(storage.resume_upload(*args)))

    bench.around_sink = around_sink


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


def crash_after_commit(bench):
    def wrap(session):
        def commit():
            session.commit()
            raise Crash

        return Around(session, commit=commit)

    around_session(bench, wrap)


def crash_before_commit(bench):
    def commit():
        raise Crash

    around_session(bench, lambda session: Around(session, commit=commit))


def log_sync_file(bench):
    """The list of the paths that were made durable where they stand."""
    synced = []

    def around_sink(storage):
        return Around(storage, sync_file=lambda path: synced.append(path) or storage.sync_file(path))

    bench.around_sink = around_sink
    return synced


def replace_before_attributes(bench, name, data):
    """Somebody replaces the sink's file `name` after it was compared and before it is adopted."""

    def around_sink(storage):
        def set_attributes(*args):
            (bench.at_sink / "other").write_bytes(data)
            (bench.at_sink / "other").replace(bench.at_sink / name)
            return storage.set_attributes(*args)

        return Around(storage, set_attributes=set_attributes)

    bench.around_sink = around_sink


def stop_after_parts(bench, parts, stop):
    """The control says `stop` before part number `parts` is sent."""
    before = bench.control.asked
    bench.control.stop_at, bench.control.stop_with = before + 1 + parts, stop


@pytest.fixture
def big(bench):
    """A file of ten parts and a bit, and its first attempt."""
    bench.write("big", pattern(BIG))
    return bench.work(1, "big")


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


@pytest.mark.parametrize("parts", range(11))
def test_a_cancel_at_any_part_leaves_nothing_behind(bench, big, parts):
    stop_after_parts(bench, parts, Stop.CANCEL)
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.CANCELLED, "JOB_KILLED")
    assert list(bench.at_sink.iterdir()) == []
    assert bench.journal.tokens[1] == ""


def test_a_cancel_that_comes_with_the_intent_publishes_nothing(bench, big):
    original = bench.journal.intent

    def intent(*args):
        original(*args)
        bench.control.stop_at, bench.control.stop_with = 0, Stop.CANCEL

    bench.journal.intent = intent
    (outcome,) = bench.run(big)
    assert outcome.result is Result.CANCELLED
    assert list(bench.at_sink.iterdir()) == []


def interrupted(bench, big, parts=7):
    """An attempt that sent `parts` parts and was stopped; returns the next claim and its partial."""
    stop_after_parts(bench, parts, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    (partial,) = bench.partials()
    return bench.again(big), partial


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


def change_source_while_copying(bench, change):
    def around_source(storage):
        def open_file(path):
            source = storage.open_file(path)

            def read_into(offset, buffer):
                if offset == 3 * PART:
                    change()
                return source.read_into(offset, buffer)

            return Open(source, read_into=read_into)

        return Around(storage, open_file=open_file)

    bench.around_source = around_source


class Open(Around):
    """An open file with some methods replaced."""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.inner.close()


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


def test_a_lease_lost_at_any_question_to_the_journal_publishes_nothing(bench, big):
    (bench.at_sink / "big").write_bytes(b"old")
    for call in range(1, 50):
        bench.journal.calls, bench.journal.lose_at = 0, call
        (outcome,) = bench.run(big)
        if outcome.result is Result.COMPLETED:
            assert call > 4
            return
        assert (outcome.result, outcome.reason_code) == (Result.STOPPED, "LEASE_EXPIRED")
        assert (bench.at_sink / "big").read_bytes() == b"old"
    raise AssertionError("never completed")


def test_a_lease_that_runs_out_at_any_moment_publishes_nothing(bench, big):
    (bench.at_sink / "big").write_bytes(b"old")
    for question in range(1, 50):
        bench.control.asked, bench.control.lose_at = 0, question
        (outcome,) = bench.run(big)
        if outcome.result is Result.COMPLETED:
            assert question > 11
            return
        assert outcome.result is Result.STOPPED
        assert (bench.at_sink / "big").read_bytes() == b"old"
    raise AssertionError("never completed")


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


def test_past_the_lease_not_even_a_spoilt_partial_is_removed(bench, big):
    """It may be another's by now: an upload id is the same for both."""

    def sync():
        bench.control.lose_at = 0
        raise InputOutputError("EIO")

    around_session(bench, lambda session: Around(session, sync=sync))
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.STOPPED, "LEASE_EXPIRED")
    assert len(bench.partials()) == 1
    assert bench.journal.tokens[1]


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


def test_an_error_in_the_thread_that_saves_checkpoints_ends_the_copy(bench, big):
    def checkpoint(*args):
        raise ZeroDivisionError

    bench.journal.checkpoint = checkpoint
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "INTERNAL_ERROR")
    assert not (bench.at_sink / "big").exists()


def test_equal_content_at_the_sink_is_adopted_with_the_source_s_attributes(bench, big):
    (bench.at_source / "big").chmod(0o600)
    (bench.at_sink / "big").write_bytes(pattern(BIG))
    inode = (bench.at_sink / "big").stat().st_ino
    (outcome,) = bench.run(big._replace(compare_first=True))
    copy = (bench.at_sink / "big").stat()
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, True, 0)
    assert outcome.sha256 == sha256(pattern(BIG))
    assert (copy.st_ino, copy.st_mode & 0o777) == (inode, 0o600)
    assert copy.st_mtime_ns == (bench.at_source / "big").stat().st_mtime_ns


def test_content_replaced_after_it_was_compared_is_not_adopted(bench, big):
    (bench.at_sink / "big").write_bytes(pattern(BIG))
    replace_before_attributes(bench, "big", b"?" * BIG)
    (outcome,) = bench.run(big._replace(compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, BIG)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


@pytest.mark.parametrize("other", [pattern(BIG)[:-1] + b"?", pattern(BIG) + b"?", b""])
def test_other_content_at_the_sink_is_overwritten(bench, big, other):
    (bench.at_sink / "big").write_bytes(other)
    (outcome,) = bench.run(big._replace(compare_first=True))
    assert (outcome.result, outcome.adopted, outcome.bytes_copied) == (Result.COMPLETED, False, BIG)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)


def test_a_directory_at_the_sink_is_a_conflict(bench, big):
    (bench.at_sink / "big").mkdir()
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.FAILED, "SINK_KIND_CONFLICT")


def test_a_vanished_source_takes_its_partial_along(bench, big):
    work, _ = interrupted(bench, big)
    (bench.at_source / "big").unlink()
    (outcome,) = bench.run(work)
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_GONE")
    assert bench.partials() == []


def test_every_part_is_throttled(bench, big):
    bench.run(big)
    assert sum(bench.control.throttled) == BIG


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


def test_who_lost_the_task_before_its_first_byte_leaves_no_empty_partial(bench, big):
    work = bench.work(1, "big")
    bench.journal.lose_at = 2  # the partial is there, and its token is about to be saved
    (outcome,) = bench.run(work)
    assert outcome.reason_code == "LEASE_EXPIRED"
    assert bench.partials() == []


def test_who_lost_the_task_later_leaves_what_arrived_to_the_next(bench, big):
    work = bench.work(1, "big")
    bench.journal.lose_at = 4
    bench.run(work)
    assert len(bench.partials()) == 1
    bench.calm()
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.bytes_resumed > 0) == (Result.COMPLETED, True)
