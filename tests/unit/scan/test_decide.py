"""What one path needs, row by row of the table in `transfers/scan/decide.py`."""

import itertools

import pytest

from jobs.reasons import ENVIRONMENTAL, REASONS
from storage_backends.base import Kind, PartialId
from tests.unit.scan.looks import at, directory, file, row
from transfers.scan.decide import COPYING, Decision, Verdict, decide

SOURCE, SINK = file(), file(version="sink")
OTHER_SOURCES = {
    "size": file(size=11),
    "mtime": file(mtime_ns=6),
    "older mtime": file(mtime_ns=4),
    "kind": at(b"f", Kind.SYMLINK),
}
OTHER_SINKS = {
    "size": file(version="sink", size=11),
    "mtime": file(version="sink", mtime_ns=6),
    "version": file(version="touched"),
    "kind": at(b"f", Kind.SYMLINK, version="sink"),
}


def verdict(*arguments, **options) -> str:
    return decide(*arguments, **options).verdict


# ── completed ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY])
def test_as_recorded_on_both_sides_is_unchanged(kind):
    source, sink = at(b"x", kind), at(b"x", kind, version="sink")
    assert decide(source, row(source, sink=sink), sink) == Decision(Verdict.UNCHANGED)


def test_times_too_fresh_to_be_trusted_are_compared():
    assert decide(SOURCE, row(SOURCE, sink=SINK, compare_first=True), SINK) == Decision(Verdict.COMPARE, True)


def test_a_sink_file_that_is_gone_is_missing():
    assert decide(SOURCE, row(SOURCE, sink=SINK), None) == Decision(Verdict.MISSING)


@pytest.mark.parametrize("change", OTHER_SINKS)
def test_a_sink_that_no_longer_looks_as_we_left_it_drifted(change):
    assert verdict(SOURCE, row(SOURCE, sink=SINK), OTHER_SINKS[change]) == Verdict.DRIFTED


def test_a_drifted_sink_of_the_same_kind_and_size_is_compared_before_anything_is_sent():
    compared = {name: decide(SOURCE, row(SOURCE, sink=SINK), sink).compare_first for name, sink in OTHER_SINKS.items()}
    assert compared == {"size": False, "mtime": True, "version": True, "kind": False}


def test_a_sink_that_cannot_be_looked_at_is_taken_as_we_left_it():
    assert verdict(SOURCE, row(SOURCE, sink=SINK), None, is_sink_known=False) == Verdict.UNCHANGED


# ── changed at the source ─────────────────────────────────────────────────────────────────────────────────────

SETTLED = ["completed", "failed", "skipped", "pending", "retrying", "cancelled"]


@pytest.mark.parametrize("change", OTHER_SOURCES)
@pytest.mark.parametrize("status", SETTLED)
@pytest.mark.parametrize("sink", [None, SINK, file(size=11)])
def test_another_size_time_or_kind_is_changed_whatever_the_row_and_the_sink_say(change, status, sink):
    assert decide(OTHER_SOURCES[change], row(SOURCE, status, sink=SINK), sink) == Decision(Verdict.CHANGED)


@pytest.mark.parametrize("status", SETTLED)
@pytest.mark.parametrize("sink", [None, SINK])
def test_where_only_the_version_differs_both_sides_are_compared(status, sink):
    assert decide(file(version="v2"), row(SOURCE, status, sink=SINK), sink) == Decision(Verdict.COMPARE, True)


def test_a_directory_with_another_mode_or_owner_is_changed_and_has_nothing_to_compare():
    source, sink = directory(version="755.0.0"), directory(version="755.0.0")
    assert decide(directory(version="700.0.0"), row(source, sink=sink), sink) == Decision(Verdict.CHANGED)


# ── failed, waiting, under way ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_failed_file_is_tried_again_only_where_the_world_is_to_blame(code):
    failed = row(SOURCE, "failed", reason_code=code)
    assert verdict(SOURCE, failed, None) == (Verdict.NEW if code in ENVIRONMENTAL else Verdict.WAITING)


def test_a_failed_file_whose_sink_changed_meanwhile_is_tried_again():
    failed = row(SOURCE, "failed", reason_code="SINK_BAD_PATH")
    assert verdict(SOURCE, failed, file(size=3)) == Verdict.NEW
    assert verdict(SOURCE, failed, SINK) == Verdict.COMPARE
    left = row(SOURCE, "failed", sink=SINK, reason_code="SINK_BAD_PATH")
    assert verdict(SOURCE, left, SINK) == Verdict.WAITING


@pytest.mark.parametrize("status", ["pending", "retrying"])
@pytest.mark.parametrize("sink", [None, SINK])
def test_what_waits_already_is_left_alone(status, sink):
    assert decide(SOURCE, row(SOURCE, status), sink) == Decision(Verdict.WAITING)


@pytest.mark.parametrize("source", [SOURCE, *OTHER_SOURCES.values(), file(version="v2")])
@pytest.mark.parametrize("sink", [None, SINK])
def test_what_is_in_progress_is_never_touched(source, sink):
    assert decide(source, row(SOURCE, "in_progress"), sink) == Decision(Verdict.WAITING)


def test_a_file_that_was_skipped_as_gone_and_is_back_is_looked_at_as_if_new():
    skipped = row(SOURCE, "skipped", reason_code="SOURCE_GONE", is_gone=True)
    assert verdict(SOURCE, skipped, None) == Verdict.NEW
    assert verdict(SOURCE, skipped, SINK) == Verdict.COMPARE


# ── new ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_file_without_a_counterpart_is_new():
    assert decide(SOURCE, None, None) == Decision(Verdict.NEW)


def test_a_sink_file_of_the_same_size_that_we_have_no_row_for_is_compared():
    assert decide(SOURCE, None, file(version="x", mtime_ns=99)) == Decision(Verdict.COMPARE, True)


@pytest.mark.parametrize("sink", [file(size=11), at(b"f", Kind.SYMLINK), at(b"f", Kind.SPECIAL)])
def test_a_sink_of_another_size_or_kind_is_not_worth_comparing(sink):
    assert decide(SOURCE, None, sink) == Decision(Verdict.NEW)


def test_a_new_file_whose_sink_cannot_be_looked_at_is_compared():
    assert decide(SOURCE, None, None, is_sink_known=False) == Decision(Verdict.COMPARE, True)


@pytest.mark.parametrize("sink", [None, directory()])
def test_a_new_directory_is_new_whether_the_sink_has_it_or_not(sink):
    assert decide(directory(), None, sink) == Decision(Verdict.NEW)


# ── directories and what is never copied ──────────────────────────────────────────────────────────────────────


def test_the_time_of_a_directory_at_the_sink_is_never_drift():
    source, sink = directory(), directory(version="755")
    assert verdict(source, row(source, sink=sink), sink._replace(mtime_ns=99)) == Verdict.UNCHANGED
    assert verdict(source, row(source, sink=sink), sink._replace(version="700")) == Verdict.DRIFTED


def test_special_files_are_skipped_once():
    fifo = at(b"p", Kind.SPECIAL, size=0)
    assert decide(fifo, None, None) == Decision(Verdict.SKIPPED, reason_code="SPECIAL_FILE")
    known = row(fifo, "skipped", reason_code="SPECIAL_FILE")
    assert decide(fifo, known, None) == Decision(Verdict.WAITING, reason_code="SPECIAL_FILE")


def test_a_file_that_became_special_is_skipped():
    assert verdict(at(b"f", Kind.SPECIAL), row(SOURCE, sink=SINK), SINK) == Verdict.SKIPPED


def test_a_name_that_looks_like_our_partial_is_skipped_for_that_reason():
    name = PartialId("12345678", "a" * 20, 3).name
    assert decide(at(b"d/" + name, Kind.SPECIAL), None, None).reason_code == "RESERVED_NAME"


# ── all of them ───────────────────────────────────────────────────────────────────────────────────────────────

EVERY_SOURCE = [SOURCE, *OTHER_SOURCES.values(), file(version="v2"), at(b"f", Kind.SPECIAL)]
EVERY_ROW = [None] + [
    row(SOURCE, status, sink=sink, reason_code=code, compare_first=compare, is_gone=gone)
    for status, sink, code, compare, gone in itertools.product(
        [*SETTLED, "in_progress"], [None, SINK], ["", "SINK_NO_SPACE", "SINK_BAD_PATH"], [False, True], [False, True]
    )
]
EVERY_SINK = [(None, True), (None, False), *((sink, True) for sink in (SINK, *OTHER_SINKS.values()))]


def test_every_combination_has_a_decision_and_what_is_compared_is_always_work_for_a_slave():
    seen = set()
    for source, known, (sink, is_known) in itertools.product(EVERY_SOURCE, EVERY_ROW, EVERY_SINK):
        decision = decide(source, known, sink, is_sink_known=is_known)
        seen.add(decision.verdict)
        assert not decision.compare_first or decision.verdict in COPYING
        assert bool(decision.reason_code) == (source.kind is Kind.SPECIAL)
        if known is not None and known.status == "in_progress" and source.kind is not Kind.SPECIAL:
            assert decision.verdict is Verdict.WAITING
    assert seen == set(Verdict) - {Verdict.GONE}, "GONE is for paths that are not at the source"
