"""Three threads: order, bounded memory, and errors that surface without a deadlock."""

import hashlib
import threading

import pytest

from tests.unit.engine.doubles import pattern
from transfers.engine.hashing import MAX_BUFFERS, MIN_BUFFERS
from transfers.engine.pipeline import Pipeline, same_bytes


def feed(pipeline, data):
    buffer = pipeline.take()
    buffer[: len(data)] = data
    pipeline.feed(buffer, len(data))


def test_parts_are_hashed_in_order():
    digest = hashlib.sha256()
    with Pipeline(digest, 100, lambda *args: None) as pipeline:
        for start in range(0, 10_000, 100):
            feed(pipeline, pattern(10_000)[start : start + 100])
        feed(pipeline, b"tail")
        pipeline.finish()
        assert digest.digest() == hashlib.sha256(pattern(10_000) + b"tail").digest()


def test_a_checkpoint_has_the_digest_of_exactly_what_was_fed_before():
    saved = []
    with Pipeline(hashlib.sha256(), 100, lambda *args: saved.append(args)) as pipeline:
        feed(pipeline, b"before")
        pipeline.checkpoint(6)
        feed(pipeline, b"after")
        pipeline.finish()
    assert saved == [(6, hashlib.sha256(b"before").digest())]


def test_a_checkpoint_is_under_way_until_the_journal_has_it():
    go_on = threading.Event()
    with Pipeline(hashlib.sha256(), 100, lambda *args: go_on.wait()) as pipeline:
        feed(pipeline, b"x")
        assert not pipeline.is_saving
        pipeline.checkpoint(1)
        assert pipeline.is_saving
        go_on.set()
        pipeline.finish()
        assert not pipeline.is_saving


def test_buffers_are_few_and_made_when_they_are_needed():
    for part, buffers in ((512 << 10, MAX_BUFFERS), (64 << 20, MIN_BUFFERS)):
        with Pipeline(hashlib.sha256(), part, lambda *args: None) as pipeline:
            first = pipeline.take()
            pipeline.release(first)
            assert pipeline.take() is first
            others = [pipeline.take() for _ in range(buffers - 1)]
            late = threading.Timer(0.05, pipeline.release, [first])
            late.start()
            assert pipeline.take() is first and not any(other is first for other in others)
            late.join()


def test_what_the_saver_raises_is_raised_in_the_caller():
    def save(offset, sha256):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Pipeline(hashlib.sha256(), 10, save) as pipeline:
        feed(pipeline, b"x")
        pipeline.checkpoint(1)
        for _ in range(10_000):
            feed(pipeline, b"x")
        pipeline.finish()


def test_what_the_hasher_raises_is_raised_in_the_caller():
    class Broken:
        def update(self, data):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Pipeline(Broken(), 10, lambda *args: None) as pipeline:
        for _ in range(100):
            feed(pipeline, b"x")


def test_an_error_of_the_caller_ends_all_threads_and_starts_no_further_checkpoint():
    before, entered, go_on, saved = threading.active_count(), threading.Event(), threading.Event(), []

    def save(offset, sha256):
        saved.append(offset)
        entered.set()
        go_on.wait()

    def copy():
        with Pipeline(hashlib.sha256(), 10, save) as pipeline:
            feed(pipeline, b"x")
            pipeline.checkpoint(1)
            pipeline.checkpoint(1)
            entered.wait()
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy()
    assert saved == [1]
    assert threading.active_count() <= before + 1


def test_bytes_are_compared_up_to_the_length():
    assert same_bytes(bytearray(b"abcd"), 3, memoryview(b"abc"))
    assert same_bytes(bytearray(b"abcd"), 4, memoryview(b"abcd"))
    assert not same_bytes(bytearray(b"abcd"), 4, memoryview(b"abc"))
    assert not same_bytes(bytearray(b"abcd"), 3, memoryview(b"abx"))
