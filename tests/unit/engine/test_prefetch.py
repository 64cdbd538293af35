"""Small files may be read early: each as it was at one moment, at most ten seconds ago, and never too many of them."""

import hashlib
import os
import time
from contextlib import closing

import pytest

from storage_backends.base import Kind
from storage_backends.local.storage import LocalStorage
from tests.unit.engine.doubles import Around, BenchStorages
from transfers.engine import prefetch
from transfers.engine.prefetch import Memory, Prefetched, Prefetcher, worth_it


@pytest.fixture
def memory():
    made = Memory.new()
    yield made
    made.close()


@pytest.fixture
def source(bench):
    """Two files that were left alone for long."""
    for name in ("a", "b"):
        bench.write(name, name.encode() * 3000)
        os.utime(bench.at_source / name, (1, 1))
    with closing(LocalStorage(os.fsencode(bench.root), b"source")) as storage:
        yield storage


def read(memory, storage, *paths, publishes=True):
    prefetcher = Prefetcher(memory)
    prefetcher.read(storage, paths)
    if publishes:
        prefetcher.publish()


@pytest.fixture
def taken(memory, bench):
    """What can be taken of each path."""

    def take(*paths):
        place = bench.source
        found = Prefetched(memory, place.url, place.path).of(place.url, place.path)
        return [found and found.take(path, 1 << 20) for path in paths]

    return take


def test_a_file_is_taken_as_it_was_read(memory, source, taken):
    read(memory, source, b"a", b"b")
    for content, path in zip(taken(b"a", b"b"), (b"a", b"b"), strict=True):
        info, data = source.read_whole(path, 1 << 20)
        assert content == (info, data, hashlib.sha256(data).digest())


def test_it_is_taken_once_and_not_what_was_not_read(memory, source, taken):
    read(memory, source, b"a")
    first, again, other = taken(b"a", b"a", b"b")
    assert first and again is None and other is None


def test_nothing_is_taken_before_it_is_published(memory, source, taken):
    read(memory, source, b"a", publishes=False)
    assert taken(b"a") == [None]


def test_nothing_is_taken_for_another_place(memory, source):
    read(memory, source, b"a")
    prefetched = Prefetched(memory, "file:///", b"here")
    assert prefetched.of("file:///", b"there") is None and prefetched.of("s3://bucket", b"here") is None
    assert prefetched.of("file:///", b"here") is prefetched


def test_what_is_old_is_read_again(memory, source, taken, monkeypatch):
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    read(memory, source, b"a", b"b")
    monkeypatch.setattr(prefetch, "boottime", lambda: now + prefetch.FRESH_SECONDS - 1)
    assert taken(b"a") != [None]
    monkeypatch.setattr(prefetch, "boottime", lambda: now + prefetch.FRESH_SECONDS + 1)
    assert taken(b"b") == [None]


def test_what_changed_just_now_is_not_read_early(memory, bench, source, taken):
    """Another change may leave the same times: only who reads it when it is copied can tell that it is fresh."""
    os.utime(bench.at_source / "b")
    read(memory, source, b"a", b"b")
    first, second = taken(b"a", b"b")
    assert first and second is None


def test_what_can_not_be_read_is_left_to_who_copies_it(memory, source, taken):
    read(memory, source, b"missing", b"a")
    missing, there = taken(b"missing", b"a")
    assert missing is None and there


def test_larger_than_the_sink_takes_it_is_not_taken(memory, bench, source):
    read(memory, source, b"a")
    prefetched = Prefetched(memory, *bench.source[:2]).of(*bench.source[:2])
    assert prefetched.take(b"a", 2999) is None


def test_it_keeps_nothing_more_once_it_is_published(memory, source, taken):
    """Not even what it is reading: nobody waits for a file that hangs."""
    prefetcher = Prefetcher(memory)

    def read_whole(path, max_bytes):
        found = source.read_whole(path, max_bytes)
        if path == b"b":
            prefetcher.publish()
        return found

    prefetcher.read(Around(source, read_whole=read_whole), [b"a", b"b"])
    first, second = taken(b"a", b"b")
    assert first and second is None


def test_it_reads_no_more_when_it_is_stopped(memory, source):
    prefetcher, read = Prefetcher(memory), []
    prefetcher.stop()
    prefetcher.read(Around(source, read_whole=lambda path, _: read.append(path)), [b"a"])
    assert not read


def test_it_reads_no_more_than_there_is_room(memory, source, taken, monkeypatch):
    monkeypatch.setattr(prefetch, "MOST_BYTES", 3000)
    read(memory, source, b"a", b"b")
    first, second = taken(b"a", b"b")
    assert first and second is None


def test_small_files_alone_are_chosen_and_so_many(monkeypatch):
    monkeypatch.setattr(prefetch, "MOST_FILE_BYTES", 10)
    monkeypatch.setattr(prefetch, "MOST_BYTES", 25)
    file, link, folder = Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY
    listed = [(b"d/", folder, 0), (b"l", link, 3), (b"big", file, 11)]
    listed += [(b"%d" % number, file, 9) for number in range(9)]
    assert worth_it(listed) == [b"0", b"1", b"2"]
    monkeypatch.setattr(prefetch, "MOST_FILES", 2)
    assert worth_it(listed) == [b"0", b"1"]


def test_without_room_nothing_is_published(memory, source, taken, monkeypatch):
    def no_room(fd, data, offset):
        raise OSError(28, "no room")

    monkeypatch.setattr(prefetch.os, "pwrite", no_room)
    read(memory, source, b"a")
    assert taken(b"a") == [None]


def copied(bench, memory, *works):
    """Outcomes, by a worker that was given the memory."""
    bench.storages = BenchStorages(bench, Prefetched(memory, *bench.source[:2]))
    return bench.run(*works)


def test_what_was_read_is_copied_and_not_read_again(bench, memory, source):
    info, data = source.read_whole(b"a", 1 << 20)
    read(memory, source, b"a")

    def must_not(*arguments):
        raise AssertionError("read again")

    bench.around_source = lambda storage: Around(storage, read_whole=must_not)
    [outcome] = copied(bench, memory, bench.work(1, "a"))
    assert (bench.at_sink / "a").read_bytes() == data and outcome.sha256 == hashlib.sha256(data).digest()
    assert outcome.source.version == info.version and outcome.sink.size == len(data)


def test_a_file_that_changed_meanwhile_is_recorded_as_it_was_when_it_was_read(bench, memory, source):
    """So the next scan sees that it has changed."""
    info, data = source.read_whole(b"a", 1 << 20)
    read(memory, source, b"a")
    bench.write("a", b"new")
    [outcome] = copied(bench, memory, bench.work(1, "a"))
    assert (bench.at_sink / "a").read_bytes() == data
    assert outcome.source.version == info.version != source.get_file_info(b"a").version


def test_the_others_are_read_as_ever(bench, memory, source):
    read(memory, source, b"a")
    assert len(copied(bench, memory, bench.work(1, "a"), bench.work(2, "b"))) == 2
    assert (bench.at_sink / "b").read_bytes() == b"b" * 3000
