"""Three sorted streams joined in one pass, compared with what dicts would say."""

import itertools
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.states import TaskStatus
from storage_backends.base import Kind, ListError
from storage_backends.errors import PermissionDenied
from tests.unit.scan.looks import at, row
from transfers.scan import merge
from transfers.scan.decide import Verdict, decide
from transfers.scan.merge import OutOfOrder, listed

PATHS = st.sets(st.one_of(st.sampled_from([b"", b"a", b"a/", b"a/b", b"a-", b"a0", b"\xff"]), st.binary(max_size=3)))


@st.composite
def chunked(draw, items: list) -> list[list]:
    """The same items in lists of any length."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(items) - 1)))))
    return [chunk for a, b in pairwise([0, *cuts, len(items)]) if (chunk := items[a:b])]


@given(PATHS, PATHS, PATHS, st.data())
def test_every_path_of_source_or_catalogue_comes_once_in_order_with_what_each_side_has(source, rows, sink, data):
    by_source = {path: at(path) for path in source}
    by_row = {path: row(at(path)) for path in rows}
    by_sink = {path: at(path, version="sink") for path in sink}
    expected = [(by_source.get(path), by_row.get(path), by_sink.get(path)) for path in sorted(source | rows)]
    streams = [[stream[path] for path in sorted(stream)] for stream in (by_source, by_row, by_sink)]
    chunks = [iter(data.draw(chunked(stream))) for stream in streams]
    assert list(merge.Merge(*chunks, passes_over=False)) == expected


@given(PATHS, PATHS, PATHS)
def test_one_chunk_of_each_stream_is_in_hand_at_a_time(source, rows, sink):
    ahead = dict.fromkeys("abc", 0)

    def counted(name, items):
        for item in items:
            ahead[name] += 1
            yield [item]

    streams = [map(at, sorted(source)), (row(at(path)) for path in sorted(rows)), map(at, sorted(sink))]
    counting = (counted(name, stream) for name, stream in zip("abc", streams, strict=True))
    joined = merge.Merge(*counting, passes_over=False)
    for done, found in enumerate(joined, 1):
        key = next(item for item in found if item).path
        assert ahead["a"] <= sum(path <= key for path in source) + 1
        assert ahead["b"] <= sum(path <= key for path in rows) + 1
        assert ahead["c"] <= sum(path <= key for path in sink) + 1
        assert done <= len(source | rows)


@given(st.lists(st.lists(st.binary(max_size=2), min_size=1, max_size=3), max_size=4))
def test_a_listing_that_is_not_in_order_is_refused_rather_than_believed(chunks):
    entries = listed(([at(path) for path in chunk] for chunk in chunks), lambda error: None)
    paths = [path for chunk in chunks for path in chunk]
    if paths == sorted(set(paths)):
        assert [[entry.path for entry in chunk] for chunk in entries] == chunks
    else:
        with pytest.raises(OutOfOrder, match=r"was listed after"):
            list(entries)


def test_an_error_is_told_before_anything_later_is_yielded():
    told = []
    broken = ListError(b"b/", PermissionDenied("no"))
    entries = listed([[at(b"a")], [broken, at(b"c")]], told.append)
    assert next(entries) == [at(b"a")] and told == []
    assert next(entries) == [at(b"c")] and told == [broken]


LOOKS = st.fixed_dictionaries(
    {"size": st.sampled_from([0, 10]), "mtime_ns": st.sampled_from([5, 6]), "version": st.sampled_from(["v1", "v2"])}
)
KINDS = st.sampled_from([Kind.FILE, Kind.SYMLINK])
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([status.value for status in TaskStatus]),
        "reason_code": st.sampled_from(["", "SINK_IO_ERROR"]),
        "is_gone": st.booleans(),
        "compare_first": st.booleans(),
    },
)


@given(LOOKS, LOOKS, LOOKS, LOOKS, KINDS, KINDS, ROWS)
def test_passed_over_is_only_what_would_be_decided_to_be_unchanged(now, then, sink_now, sink_then, kind, other, fields):
    source, sink = at(b"f", kind, **now), at(b"f", other, **sink_now)
    known = row(at(b"f", kind, **then), sink=at(b"f", kind, **sink_then), **fields)
    joined = merge.Merge(iter([[source]]), iter([[tuple(known)]]), iter([[sink]]), passes_over=True)
    found = without_breaths(joined)
    if joined.passed_files:
        assert decide(source, known, sink).verdict is Verdict.UNCHANGED and not known.is_gone
        assert (found, joined.passed_files, joined.passed_bytes) == ([], 1, source.size)
    else:
        assert found == [(source, known, sink)]
        is_plain = decide(source, known, sink).verdict is Verdict.UNCHANGED and not known.is_gone
        assert not is_plain or kind is Kind.SYMLINK or known.reason_code


def without_breaths(joined: merge.Merge) -> list:
    return [found for found in joined if any(found)]


HERE = at(b"", size=7)
LINK = at(b"", Kind.SYMLINK, size=7)
#: What source, catalogue and sink have of one path; all paths are alike but for their names.
STATES = {
    "as left": (HERE, row(HERE, sink=HERE), HERE),
    "other size": (HERE._replace(size=8), row(HERE, sink=HERE), HERE),
    "other time": (HERE._replace(mtime_ns=6), row(HERE, sink=HERE), HERE),
    "touched": (HERE._replace(version="v2"), row(HERE, sink=HERE), HERE),
    "drifted": (HERE, row(HERE, sink=HERE), HERE._replace(version="v2")),
    "missing": (HERE, row(HERE, sink=HERE), None),
    "new": (HERE, None, None),
    "only sink": (None, None, HERE),
    "gone": (None, row(HERE, sink=HERE), HERE),
    "back": (HERE, row(HERE, sink=HERE, is_gone=True), HERE),
    "fresh": (HERE, row(HERE, sink=HERE, compare_first=True), HERE),
    "failed": (HERE, row(HERE, "failed", sink=HERE), HERE),
    "with a reason": (HERE, row(HERE, sink=HERE, reason_code="SINK_IO_ERROR"), HERE),
    "link": (LINK, row(LINK, sink=LINK), LINK),
    "became a link": (LINK, row(HERE, sink=HERE), HERE),
    "link at the sink": (HERE, row(HERE, sink=HERE), LINK),
}


@pytest.mark.parametrize("are_together", [True, False])
def test_files_between_others_are_passed_over_all_the_same_and_each_is_counted_once(are_together):
    for states in itertools.product(STATES, repeat=3):
        named = [[item and item._replace(path=b"%d" % number) for item in STATES[state]] for number, state in
                 enumerate(states)]  # fmt: skip
        others = [tuple(three) for state, three in zip(states, named, strict=True)
                  if state not in ("as left", "only sink")]  # fmt: skip
        streams = [[item for item in stream if item] for stream in zip(*named, strict=True)]
        chunks = [iter([stream] if are_together else [[item] for item in stream]) for stream in streams]
        joined = merge.Merge(*chunks, passes_over=True)
        assert without_breaths(joined) == others, states
        assert (joined.passed_files, joined.passed_bytes) == (states.count("as left"), 7 * states.count("as left"))


def test_a_long_way_of_unchanged_files_is_interrupted_now_and_then():
    files = [at(b"%06d" % number) for number in range(2500)]
    rows = [tuple(row(each, sink=each)) for each in files]
    joined = merge.Merge(iter([files]), iter([rows]), iter([files]), passes_over=True)
    assert list(joined) == [(None, None, None)] * 3 and joined.passed_files == 2500
