"""Many small files and links: one group commit, one fence, and an error that stays with its file."""

import errno
import itertools
import os

import pytest

from storage_backends.base import Kind, PartialId
from storage_backends.local import system
from tests.unit.engine.disturbances import log_sync_file
from tests.unit.engine.doubles import INSTALLATION, PART, Around, pattern, sha256
from transfers.engine import small
from transfers.engine.contracts import Result, Stop


def some_files(bench, count=5, **more):
    for number in range(count):
        bench.write(f"d{number % 2}/f{number}", pattern(100 + number, seed=number))
    return [bench.work(number + 1, f"d{number % 2}/f{number}", **more) for number in range(count)]


def assert_same(bench, work):
    name = work.path.decode()
    assert (bench.at_sink / name).read_bytes() == (bench.at_source / name).read_bytes()


def test_files_arrive_whole_with_one_fence(bench):
    works = some_files(bench)
    for outcome, work in zip(bench.run(*works), works, strict=True):
        data = (bench.at_source / work.path.decode()).read_bytes()
        assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(data))
        assert (outcome.size, outcome.bytes_copied, outcome.bytes_resumed) == (len(data), len(data), 0)
        assert_same(bench, work)
    assert [entry[0] for entry in bench.journal.log] == ["fence"]
    assert bench.partials() == []


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART])
def test_every_small_size_arrives(bench, size):
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.size) == (Result.COMPLETED, size)
    assert (bench.at_sink / "file").read_bytes() == pattern(size)


def test_a_link_arrives_as_a_link_and_is_not_followed(bench):
    os.symlink("../nowhere\n", bench.at_source / "link")
    (outcome,) = bench.run(bench.work(1, "link", Kind.SYMLINK))
    assert os.readlink(bench.at_sink / "link") == "../nowhere\n"
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(b"../nowhere\n"))


def test_a_link_that_became_a_file_is_skipped(bench):
    bench.write("link", b"now a file")
    (outcome,) = bench.run(bench.work(1, "link", Kind.SYMLINK))
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_NOT_REGULAR")


@pytest.mark.parametrize("kind", ["fifo", "directory", "link"])
def test_what_is_no_file_any_more_is_skipped(bench, kind):
    path = bench.at_source / "name"
    {"fifo": os.mkfifo, "directory": os.mkdir, "link": lambda name: os.symlink("x", name)}[kind](path)
    (outcome,) = bench.run(bench.work(1, "name"))
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_NOT_REGULAR")
    assert list(bench.at_sink.iterdir()) == []


def test_one_bad_file_does_not_harm_the_others(bench):
    works = some_files(bench)
    (bench.at_source / "d0/f2").unlink()
    (bench.at_sink / "d1/f3").mkdir(parents=True)
    by_id = {outcome.task_id: outcome for outcome in bench.run(*works)}
    assert (by_id[3].result, by_id[3].reason_code) == (Result.SKIPPED, "SOURCE_GONE")
    assert (by_id[4].result, by_id[4].reason_code) == (Result.FAILED, "SINK_KIND_CONFLICT")
    assert [by_id[n].result for n in (1, 2, 5)] == [Result.COMPLETED] * 3


def test_a_mistake_of_ours_concerns_its_file_only(bench):
    works = some_files(bench)

    def around_source(storage):
        def read_whole(path, limit):
            if path == works[1].path:
                raise ZeroDivisionError("oops")
            return storage.read_whole(path, limit)

        return Around(storage, read_whole=read_whole)

    bench.around_source = around_source
    outcomes = bench.run(*works)
    assert (outcomes[1].result, outcomes[1].reason_code) == (Result.RETRY, "INTERNAL_ERROR")
    assert [outcome.result for outcome in outcomes[2:]] == [Result.COMPLETED] * 3


def test_files_that_are_not_ours_any_more_are_not_published(bench):
    works = some_files(bench)
    bench.journal.not_ours = {2, 3}
    outcomes = bench.run(*works)
    for outcome, work in zip(outcomes, works, strict=True):
        is_ours = work.task_id not in (2, 3)
        assert (outcome.result is Result.COMPLETED) == is_ours
        assert (bench.at_sink / work.path.decode()).exists() == is_ours
    assert outcomes[1].reason_code == "LEASE_EXPIRED"
    assert bench.partials() == []


def test_a_lease_that_runs_out_at_any_moment_publishes_nothing(bench):
    works = some_files(bench)
    for question in range(1, 20):
        bench.control.asked, bench.control.lose_at = 0, question
        outcomes = bench.run(*works)
        if outcomes[0].result is Result.COMPLETED:
            assert question > len(works) + 1
            return
        assert {outcome.reason_code for outcome in outcomes} == {"LEASE_EXPIRED"}
        assert [path for path in bench.at_sink.rglob("*") if path.is_file()] == []
    raise AssertionError("never completed")


def test_nothing_is_published_after_a_flush_that_failed(bench, monkeypatch):
    works = some_files(bench)

    def failing(fd):
        raise OSError(errno.EIO, "EIO")

    monkeypatch.setattr(system, "syncfs", failing)
    monkeypatch.setattr(system, "fsync", failing)
    assert {outcome.reason_code for outcome in bench.run(*works)} == {"SINK_IO_ERROR"}
    assert [path for path in bench.at_sink.rglob("*") if path.is_file()] == []


def test_the_fence_is_asked_after_everything_is_durable(bench, monkeypatch):
    works = some_files(bench)
    original = system.syncfs

    def syncfs(fd):
        bench.journal.log.append(("syncfs",))
        original(fd)

    monkeypatch.setattr(system, "syncfs", syncfs)
    bench.run(*works)
    assert [entry[0] for entry in bench.journal.log][:2] == ["syncfs", "fence"]


@pytest.mark.parametrize("staged", range(6))
def test_a_release_publishes_what_is_staged_and_gives_back_the_rest(bench, staged):
    works = some_files(bench)
    bench.control.stop_at, bench.control.stop_with = staged + 1, Stop.RELEASE
    outcomes = bench.run(*works)
    assert [outcome.result for outcome in outcomes[:staged]] == [Result.COMPLETED] * staged
    assert [outcome.reason_code for outcome in outcomes[staged:]] == ["RELEASED"] * (5 - staged)
    assert bench.partials() == []


@pytest.mark.parametrize("staged", range(6))
def test_a_cancel_publishes_nothing(bench, staged):
    works = some_files(bench)
    bench.control.stop_at, bench.control.stop_with = staged + 1, Stop.CANCEL
    assert {outcome.result for outcome in bench.run(*works)} == {Result.CANCELLED}
    assert [path for path in bench.at_sink.rglob("*") if path.is_file()] == []


def test_a_file_that_was_published_before_a_crash_is_not_sent_again(bench):
    works = some_files(bench)
    bench.run(*works)
    before = [(bench.at_sink / work.path.decode()).stat().st_ino for work in works]
    synced = log_sync_file(bench)
    outcomes = bench.run(*[work._replace(attempts=2, epoch=2) for work in works])
    assert [(outcome.result, outcome.adopted, outcome.bytes_copied) for outcome in outcomes] == [
        (Result.COMPLETED, True, 0)
    ] * 5
    assert [(bench.at_sink / work.path.decode()).stat().st_ino for work in works] == before
    assert synced == [work.path for work in works]  # the crash may have come before they were durable


def test_another_attempt_removes_what_the_last_one_left(bench):
    (work, *_) = some_files(bench)
    left = bench.at_sink / "d0" / PartialId.of(INSTALLATION, "job", work.path, 1).name.decode()
    left.parent.mkdir()
    left.write_bytes(b"left")
    (outcome,) = bench.run(work._replace(attempts=2, epoch=2))
    assert (outcome.result, outcome.adopted) == (Result.COMPLETED, False)
    assert bench.partials() == []


@pytest.mark.parametrize("becomes", ["adopted", "gone"])
def test_another_attempt_that_stages_nothing_removes_what_the_last_one_left_too(bench, becomes):
    (work, *_) = some_files(bench)
    bench.run(work)
    left = bench.at_sink / "d0" / PartialId.of(INSTALLATION, "job", work.path, 1).name.decode()
    left.write_bytes(b"left")
    if becomes == "gone":
        (bench.at_source / work.path.decode()).unlink()
    (outcome,) = bench.run(work._replace(attempts=2, epoch=2))
    assert outcome.adopted if becomes == "adopted" else outcome.result is Result.SKIPPED
    assert bench.partials() == []


def test_what_older_attempts_left_is_looked_for_once_per_file(bench, monkeypatch):
    works, removed, real = some_files(bench), [], system.unlink
    for work in works:
        (bench.at_sink / work.path.decode()).parent.mkdir(exist_ok=True)
    monkeypatch.setattr(system, "unlink", lambda name, **more: removed.append(name) or real(name, **more))
    bench.run(*[work._replace(attempts=2, epoch=2) for work in works])
    assert len(removed) == len(works)


def test_a_file_that_has_grown_since_the_scan_goes_alone(bench):
    bench.write("small", b"s")
    work = bench.work(1, "grown")
    bench.write("grown", pattern(3 * PART + 1))
    outcomes = bench.run(work, bench.work(2, "small"))
    assert [outcome.result for outcome in outcomes] == [Result.COMPLETED] * 2
    assert (bench.at_sink / "grown").read_bytes() == pattern(3 * PART + 1)
    assert ("intent", 1) in bench.journal.log


def test_a_file_that_changes_while_it_is_read_is_tried_again(bench):
    path = bench.write("file", b"before")

    def around_source(storage):
        def read_whole(name, limit):
            pread = system.pread

            def slow_pread(*args):
                data = pread(*args)
                path.write_bytes(b"after!")
                return data

            system.pread = slow_pread
            try:
                return storage.read_whole(name, limit)
            finally:
                system.pread = pread

        return Around(storage, read_whole=read_whole)

    bench.around_source = around_source
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SOURCE_CHANGED")
    assert list(bench.at_sink.iterdir()) == []


def test_a_batch_is_committed_in_groups_of_bounded_bytes(bench, monkeypatch):
    monkeypatch.setattr(small, "GROUP_BYTES", 150)
    assert_committed_in_three_groups(bench)


def test_a_batch_is_committed_in_groups_of_as_many_files_as_the_sink_likes(bench):
    bench.around_sink = lambda storage: Around(storage, capabilities=storage.capabilities._replace(batch_files=2))
    assert_committed_in_three_groups(bench)


def test_a_batch_is_committed_in_groups_of_bounded_time(bench, monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr(small, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(small, "GROUP_SECONDS", 2)
    assert_committed_in_three_groups(bench)


def assert_committed_in_three_groups(bench):
    works = some_files(bench, count=6)
    assert {outcome.result for outcome in bench.run(*works)} == {Result.COMPLETED}
    assert [entry[0] for entry in bench.journal.log] == ["fence"] * 3


def test_every_byte_is_throttled(bench):
    works = some_files(bench)
    bench.run(*works)
    assert bench.control.throttled == [100, 101, 102, 103, 104]


def test_set_id_bits_that_were_dropped_are_counted(bench, monkeypatch):
    bench.write("tool", b"#!").chmod(0o4755)
    monkeypatch.setattr("storage_backends.local.fresh.permitted_mode", lambda mode: mode & 0o1777)
    (outcome,) = bench.run(bench.work(1, "tool"))
    assert outcome.dropped_bits
    assert (bench.at_sink / "tool").stat().st_mode & 0o7777 == 0o755
