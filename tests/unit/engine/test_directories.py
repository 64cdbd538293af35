"""Directories get the mode and times of their source."""

import os

from storage_backends.base import Kind
from tests.unit.engine.doubles import pattern
from transfers.engine.contracts import Result, Stop


def directory(bench, name, mode=0o750):
    path = bench.at_source / name
    path.mkdir(parents=True)
    path.chmod(mode)
    os.utime(path, ns=(1, 1_000_000_001))
    return path


def test_a_directory_gets_mode_and_time(bench):
    path = directory(bench, "a/b")
    (outcome,) = bench.run(bench.work(1, "a/b/", Kind.DIRECTORY))
    copy = (bench.at_sink / "a/b").stat()
    assert (copy.st_mode & 0o7777, copy.st_mtime_ns) == (0o750, 1_000_000_001)
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, b"")
    assert outcome.source.version == outcome.sink.version
    assert path.stat().st_mtime_ns == 1_000_000_001


def test_directories_come_after_the_files_in_them(bench):
    bench.write("a/file", pattern(10))
    os.utime(bench.at_source / "a", ns=(1, 1_000_000_001))
    bench.run(bench.work(1, "a/", Kind.DIRECTORY), bench.work(2, "a/file"))
    assert (bench.at_sink / "a").stat().st_mtime_ns == 1_000_000_001


def test_a_file_in_the_way_is_a_conflict_and_stays(bench):
    directory(bench, "a")
    (bench.at_sink / "a").write_bytes(b"file")
    (outcome,) = bench.run(bench.work(1, "a/", Kind.DIRECTORY))
    assert (outcome.result, outcome.reason_code) == (Result.FAILED, "SINK_KIND_CONFLICT")
    assert (bench.at_sink / "a").read_bytes() == b"file"


def test_a_vanished_directory_is_skipped(bench):
    (outcome,) = bench.run(bench.work(1, "a/", Kind.DIRECTORY))
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_GONE")


def test_what_is_no_directory_any_more_is_skipped(bench):
    bench.write("a", b"file")
    (outcome,) = bench.run(bench.work(1, "a/", Kind.DIRECTORY))
    assert (outcome.result, outcome.reason_code) == (Result.SKIPPED, "SOURCE_NOT_REGULAR")
    assert list(bench.at_sink.iterdir()) == []


def test_the_job_s_own_directory_gets_mode_and_time_too(bench):
    bench.at_source.chmod(0o711)
    os.utime(bench.at_source, ns=(1, 1_000_000_001))
    (outcome,) = bench.run(bench.work(1, "", Kind.DIRECTORY))
    copy = bench.at_sink.stat()
    assert outcome.result is Result.COMPLETED
    assert (copy.st_mode & 0o7777, copy.st_mtime_ns) == (0o711, 1_000_000_001)


def test_a_stop_and_a_lost_lease_touch_nothing(bench):
    directory(bench, "a")
    bench.control.stop_at, bench.control.stop_with = 1, Stop.RELEASE
    (outcome,) = bench.run(bench.work(1, "a/", Kind.DIRECTORY))
    assert outcome.result is Result.STOPPED
    bench.control.lose_at = 1
    (outcome,) = bench.run(bench.work(1, "a/", Kind.DIRECTORY))
    assert outcome.reason_code == "LEASE_EXPIRED"
    assert list(bench.at_sink.iterdir()) == []
