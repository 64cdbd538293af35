"""What tests put between the engine and its storages: crashes, stops, another source, a note of what is synced."""

import pytest

from tests.unit.engine.doubles import PART, Around
from transfers.engine.contracts import Result, Stop


class Crash(BaseException):
    """The process dies here."""


def around_session(bench, wrap):
    """Put something around every upload session of the sink."""

    def around_sink(storage):
        return Around(storage, resume_upload=lambda *args: wrap(storage.resume_upload(*args)))

    bench.around_sink = around_sink


def crash_after_commit(bench):
    def wrap(session):
        def commit():
            session.commit()
            raise Crash

        return Around(session, commit=commit)

    around_session(bench, wrap)


def assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, work):
    """The process dies right behind it."""
    crash_after_commit(bench)
    with pytest.raises(Crash):
        bench.run(work)
    bench.calm()
    (outcome,) = bench.run(bench.again(work))
    assert (outcome.result, outcome.bytes_copied, outcome.bytes_resumed) == (Result.COMPLETED, 0, work.size)
    return outcome


def log_sync_file(bench):
    """The list of the paths that were made durable where they stand."""
    synced = []

    def around_sink(storage):
        return Around(storage, sync_file=lambda path: synced.append(path) or storage.sync_file(path))

    bench.around_sink = around_sink
    return synced


def stop_after_parts(bench, parts, stop):
    """The control says `stop` before part number `parts` is sent."""
    before = bench.control.asked
    bench.control.stop_at, bench.control.stop_with = before + 1 + parts, stop


def interrupted(bench, big, parts=7):
    """An attempt that sent `parts` parts and was stopped; returns the next claim and its partial."""
    stop_after_parts(bench, parts, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    (partial,) = bench.partials()
    return bench.again(big), partial


def change_source_while_copying(bench, change):
    """Call `change()` before the fourth part is read."""

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
