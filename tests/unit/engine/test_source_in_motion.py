"""A source that moves while it is copied: never a torn file at the sink, always a reason, later the right answer."""

import os
import time
from itertools import count

import pytest

from storage_backends.local import system
from tests.unit.engine.doubles import PART, pattern, sha256
from transfers.engine.contracts import Result
from transfers.engine.run import run

SMALL, BIG = 3000, 5 * PART + 77
LONG_AGO_NS = 1_600_000_000_000_000_000
NEW = pattern(BIG, seed=9)


def rename_over(bench, name):
    """Another file of the same size takes its place, in one step: as editors save."""
    (bench.root / "beside").write_bytes(NEW[: (bench.at_source / name).stat().st_size])
    (bench.root / "beside").replace(bench.at_source / name)


def rewrite(bench, name, *, restores_mtime=False):
    path = bench.at_source / name
    times = path.stat()
    with path.open("r+b") as file:
        file.write(NEW[: times.st_size])
    if restores_mtime:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def append(bench, name):
    with (bench.at_source / name).open("ab") as file:
        file.write(b"more")


def truncate(bench, name):
    os.truncate(bench.at_source / name, 1000)


def become(make):
    def motion(bench, name):
        (bench.at_source / name).unlink()
        make(bench.at_source / name)

    return motion


def swap_parent(bench, name):
    """The directory is a link to another one now, where a file of the same name, size and time stands."""
    other = bench.root / "elsewhere"
    other.mkdir()
    found = (bench.at_source / name).stat()
    (other / "f").write_bytes(NEW[: found.st_size])
    os.utime(other / "f", ns=(found.st_atime_ns, found.st_mtime_ns))
    (bench.at_source / "d").rename(bench.at_source / "moved")
    (bench.at_source / "d").symlink_to(other)


MOTIONS = {
    "appended": append,
    "truncated": truncate,
    "rewritten": rewrite,
    "rewritten, mtime restored": lambda bench, name: rewrite(bench, name, restores_mtime=True),
    "renamed over": rename_over,
    "deleted": become(lambda path: None),
    "a link": become(lambda path: path.symlink_to("/etc/passwd")),
    "a FIFO": become(os.mkfifo),
    "a directory": become(os.mkdir),
    "its parent a link": swap_parent,
}
AFTERWARDS = {
    "deleted": (Result.SKIPPED, "SOURCE_GONE"),
    "a link": (Result.SKIPPED, "SOURCE_NOT_REGULAR"),
    "a FIFO": (Result.SKIPPED, "SOURCE_NOT_REGULAR"),
    "a directory": (Result.SKIPPED, "SOURCE_NOT_REGULAR"),
    "its parent a link": (Result.FAILED, "SOURCE_SYMLINK_REFUSED"),
}
#: (size, before which read of the source; 0: after the last one)
MOMENTS = [(SMALL, 1), (SMALL, 0), (BIG, 1), (BIG, 2), (BIG, 4), (BIG, 6), (BIG, 0)]


def strike_at_read(monkeypatch, bench, number, strike):
    """Call `strike` once, right before that read of the source, or right after its last byte was read."""
    numbers, state = count(1), {"is_over": False}

    def watching(real):
        def read(fd, *args):
            if not os.readlink(f"/proc/self/fd/{fd}").startswith(str(bench.at_source)) or state["is_over"]:
                return real(fd, *args)
            if next(numbers) == number:
                state["is_over"] = True
                strike()
            got = real(fd, *args)
            if number == 0 and os.fstat(fd).st_size <= _read_to(args, got):
                state["is_over"] = True
                strike()
            return got

        return read

    monkeypatch.setattr(system, "pread", watching(system.pread))
    monkeypatch.setattr(system, "preadv", watching(system.preadv))
    return state


def _read_to(args, got):
    return args[-1] + (got if isinstance(got, int) else len(got))


@pytest.mark.parametrize(("size", "moment"), MOMENTS)
@pytest.mark.parametrize("motion", MOTIONS)
def test_whatever_moves_while_it_is_copied_nothing_torn_arrives(bench, monkeypatch, motion, size, moment):
    path = bench.write("d/f", pattern(size))
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    work = bench.work(1, "d/f")
    with monkeypatch.context() as patch:
        state = strike_at_read(patch, bench, moment, lambda: MOTIONS[motion](bench, "d/f"))
        (outcome,) = bench.run(work)
    assert state["is_over"], "the moment never came"
    arrived = bench.at_sink / "d/f"
    assert (outcome.result, bool(outcome.reason_code)) != (Result.COMPLETED, True)
    if outcome.result is Result.COMPLETED:  # the open file was the old one all the time: it arrived whole
        assert sha256(arrived.read_bytes()) == outcome.sha256 == sha256(pattern(size))
    else:
        assert not arrived.exists()
        assert outcome.reason_code.startswith("SOURCE_") and "d/f" in outcome.reason_text

    bench.calm()
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.reason_code) == AFTERWARDS.get(motion, (Result.COMPLETED, ""))
    if motion not in AFTERWARDS:
        assert arrived.read_bytes() == path.read_bytes()
    assert bench.partials() == []


# ── a job that waits until a file is quiet ────────────────────────────────────────────────────────────────────


def copy_when_quiet(bench, *works, quiet_seconds=60):
    assignment = bench.assignment(*works)._replace(quiet_seconds=quiet_seconds)
    return list(run(assignment, bench.storages, bench.journal, bench.control))


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_a_file_that_changed_a_moment_ago_waits_for_the_rest_of_its_quiet(bench, size):
    path = bench.write("f", pattern(size))
    os.utime(path, (time.time() - 40, time.time() - 40))
    (outcome,) = copy_when_quiet(bench, bench.work(1, "f"))
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SOURCE_CHANGED")
    assert 15 < outcome.retry_after_seconds < 21
    assert "left alone for 60 s" in outcome.reason_text
    assert list(bench.at_sink.iterdir()) == []


@pytest.mark.parametrize("size", [SMALL, BIG])
@pytest.mark.parametrize("seconds", [-61, 3600], ids=["long enough", "a clock that runs ahead"])
def test_a_file_that_was_left_alone_is_copied(bench, size, seconds):
    path = bench.write("f", pattern(size))
    os.utime(path, (time.time() + seconds, time.time() + seconds))
    assert copy_when_quiet(bench, bench.work(1, "f"))[0].result is Result.COMPLETED
