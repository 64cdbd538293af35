"""Three sorted streams joined in one pass, compared with what dicts would say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_backends.base import ListError
from storage_backends.errors import PermissionDenied
from tests.unit.scan.looks import at, row
from transfers.scan import merge
from transfers.scan.merge import OutOfOrder, listed

PATHS = st.sets(st.one_of(st.sampled_from([b"", b"a", b"a/", b"a/b", b"a-", b"a0", b"\xff"]), st.binary(max_size=3)))


@given(PATHS, PATHS, PATHS)
def test_every_path_of_source_or_catalogue_comes_once_in_order_with_what_each_side_has(source, rows, sink):
    by_source = {path: at(path) for path in source}
    by_row = {path: row(at(path)) for path in rows}
    by_sink = {path: at(path, version="sink") for path in sink}
    expected = [(by_source.get(path), by_row.get(path), by_sink.get(path)) for path in sorted(source | rows)]
    streams = [iter([stream[path] for path in sorted(stream)]) for stream in (by_source, by_row, by_sink)]
    assert list(merge.merge(*streams)) == expected


@given(PATHS, PATHS, PATHS)
def test_one_item_of_each_stream_is_in_hand_at_a_time(source, rows, sink):
    ahead = dict.fromkeys("abc", 0)

    def counted(name, items):
        for item in items:
            ahead[name] += 1
            yield item

    streams = [map(at, sorted(source)), (row(at(path)) for path in sorted(rows)), map(at, sorted(sink))]
    joined = merge.merge(*(counted(name, stream) for name, stream in zip("abc", streams, strict=True)))
    for done, found in enumerate(joined, 1):
        key = next(item for item in found if item).path
        assert ahead["a"] <= sum(path <= key for path in source) + 1
        assert ahead["b"] <= sum(path <= key for path in rows) + 1
        assert ahead["c"] <= sum(path <= key for path in sink) + 1
        assert done <= len(source | rows)


@given(st.lists(st.binary(max_size=2), max_size=6))
def test_a_listing_that_is_not_in_order_is_refused_rather_than_believed(paths):
    entries = listed(map(at, paths), lambda error: None)
    if paths == sorted(set(paths)):
        assert [entry.path for entry in entries] == paths
    else:
        with pytest.raises(OutOfOrder):
            list(entries)


def test_an_error_is_told_before_anything_later_is_yielded():
    told = []
    broken = ListError(b"b/", PermissionDenied("no"))
    entries = listed([at(b"a"), broken, at(b"c")], told.append)
    assert next(entries).path == b"a" and told == []
    assert next(entries).path == b"c" and told == [broken]
