"""Parts that are sent several at once to a sink that is read back before the commit."""

import threading
import time

import pytest

from storage_backends.errors import NoSpace, Unreachable
from tests.unit.engine.doubles import BIG, PART, Around, pattern, sha256
from transfers.engine.contracts import Result, Verify

IN_FLIGHT = 3


def several_at_once(bench, wrap=lambda session: session):
    """The sink takes three parts at once; a test may put something around its sessions."""

    def around_sink(storage):
        storage.capabilities = storage.capabilities._replace(parts_in_flight=IN_FLIGHT)
        return Around(storage, resume_upload=lambda *args: wrap(storage.resume_upload(*args)))

    bench.around_sink = around_sink


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, 8 * PART, BIG])
@pytest.mark.parametrize("verify", [Verify.READBACK, Verify.DISK])
def test_a_file_arrives_whole(bench, size, verify):
    bench.verify = verify
    bench.write("file", pattern(size))
    several_at_once(bench)
    (outcome,) = bench.run(bench.work(1, "file"))
    assert (outcome.result, outcome.sha256) == (Result.COMPLETED, sha256(pattern(size)))
    assert (bench.at_sink / "file").read_bytes() == pattern(size)


def test_every_part_is_read_back_several_at_once(bench, big):
    at_once, most, read, lock = [0], [0], [], threading.Lock()

    def wrap(session):
        def read_part(number, buffer):
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            time.sleep(0.02)
            with lock:
                at_once[0] -= 1
                read.append(number)
            return session.read_part(number, buffer)

        return Around(session, read_part=read_part)

    several_at_once(bench, wrap)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    assert sorted(read) == list(range(11))
    assert most[0] == IN_FLIGHT


@pytest.mark.parametrize("wrong", [0, 5, 10])
def test_wrong_bytes_read_back_are_noticed(bench, big, wrong):
    def wrap(session):
        def read_part(number, buffer):
            count = session.read_part(number, buffer)
            buffer[count // 2] ^= number == wrong
            return count

        return Around(session, read_part=read_part)

    several_at_once(bench, wrap)
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_CHECKSUM_MISMATCH")
    assert list(bench.at_sink.iterdir()) == []


def test_a_checkpoint_waits_for_all_parts_below_it(bench, big):
    compared, synced = set(), []

    def wrap(session):
        def read_part(number, buffer):
            time.sleep(0.2 if number == 1 else 0)  # those after it are through before
            count = session.read_part(number, buffer)
            compared.add(number)
            return count

        def sync():
            synced.append(set(compared))
            session.sync()

        return Around(session, read_part=read_part, sync=sync)

    several_at_once(bench, wrap)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    offsets = [entry[2] for entry in bench.journal.log if entry[0] == "checkpoint"]
    assert 0 < len(offsets) <= len(synced)
    for offset, parts in zip(offsets, synced, strict=False):
        assert parts >= set(range(-(-offset // PART))), f"the checkpoint at {offset} was too early"


def test_a_partial_that_a_full_sink_lets_grow_no_further_is_removed(bench, big):
    def wrap(session):
        def write_part(number, data):
            if number >= 4:
                raise NoSpace("the sink is full")
            session.write_part(number, data)

        return Around(session, write_part=write_part)

    several_at_once(bench, wrap)
    (first,) = bench.run(big)
    assert (first.result, first.reason_code, len(bench.partials())) == (Result.RETRY, "SINK_NO_SPACE", 1)
    (second,) = bench.run(bench.again(big))
    assert (second.result, second.reason_code, bench.partials()) == (Result.RETRY, "SINK_NO_SPACE", [])


def test_a_gap_below_parts_that_arrived_is_filled_by_the_next_attempt(bench, big):
    """The partial's length covers it, so a sink that goes by that says that it holds these parts."""

    def wrap(session):
        def write_part(number, data):
            if number == 5:
                time.sleep(0.1)  # two after it arrive
                raise Unreachable("the network went away")
            session.write_part(number, data)

        return Around(session, write_part=write_part)

    several_at_once(bench, wrap)
    (failed,) = bench.run(big)
    assert (failed.result, failed.reason_code) == (Result.RETRY, "SINK_UNREACHABLE")
    (partial,) = bench.partials()
    assert partial.read_bytes()[5 * PART : 7 * PART] == bytes(PART) + pattern(BIG)[6 * PART : 7 * PART]
    bench.calm()
    several_at_once(bench)
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_resumed > 0) == (Result.COMPLETED, True)
    assert (bench.at_sink / "big").read_bytes() == pattern(BIG)
