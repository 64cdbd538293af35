"""A directory is decided when the scan leaves it, for then it is known whether something inside will change."""

from tests.unit.scan.looks import directory, row
from transfers.scan.decide import Verdict
from transfers.scan.directories import Trail


def known(trail: Trail, path: bytes, **fields):
    """Enter a directory that is as recorded on both sides."""
    source, sink = directory(path), directory(path, version="sink")
    trail.enter(source, row(source, **{"sink": sink, **fields}), sink)


def left(trail: Trail, path: bytes = b"") -> list[tuple[bytes, str]]:
    return [(source.path, decision.verdict) for source, _, decision in trail.leave(path)]


def test_directories_are_left_innermost_first_when_a_path_lies_outside():
    trail = Trail(keep_empty=True)
    for path in (b"a/", b"a/b/", b"a/b/c/"):
        known(trail, path)
    assert left(trail, b"a/b/c/x") == []
    assert [path for path, _ in left(trail, b"a/b0")] == [b"a/b/c/", b"a/b/"]
    assert [path for path, _ in left(trail)] == [b"a/"]


def test_a_name_that_only_begins_alike_is_outside():
    trail = Trail(keep_empty=True)
    known(trail, b"a/")
    assert left(trail, b"a0") == [(b"a/", Verdict.UNCHANGED)]


def test_the_jobs_own_directory_contains_everything_and_is_left_last():
    trail = Trail(keep_empty=True)
    known(trail, b"")
    assert left(trail, b"zzz") == []
    assert left(trail) == [(b"", Verdict.UNCHANGED)]


def test_a_directory_in_which_something_changes_gets_its_times_again():
    trail = Trail(keep_empty=True)
    known(trail, b"a/")
    trail.touch()
    assert left(trail) == [(b"a/", Verdict.CHANGED)]


def test_a_change_inside_touches_the_innermost_directory_only():
    trail = Trail(keep_empty=True)
    known(trail, b"a/")
    known(trail, b"a/b/")
    trail.touch()
    assert left(trail) == [(b"a/b/", Verdict.CHANGED), (b"a/", Verdict.UNCHANGED)]


def test_a_touch_after_an_inner_directory_was_left_goes_to_the_outer_one():
    trail = Trail(keep_empty=True)
    known(trail, b"a/")
    known(trail, b"a/b/")
    assert left(trail, b"a/x") == [(b"a/b/", Verdict.UNCHANGED)]
    trail.touch()
    assert left(trail) == [(b"a/", Verdict.CHANGED)]


def test_a_new_directory_stays_new_however_often_it_is_touched():
    trail = Trail(keep_empty=True)
    trail.enter(directory(b"a/"), None, None)
    trail.touch()
    assert left(trail) == [(b"a/", Verdict.NEW)]


def test_a_directory_below_one_the_sink_could_not_list_is_not_missing():
    trail = Trail(keep_empty=True)
    source, sink = directory(b"a/b/"), directory(b"a/b/")
    trail.enter(source, row(source, sink=sink), None, is_sink_known=False)
    assert left(trail) == [(b"a/b/", Verdict.UNCHANGED)]


def test_without_keep_empty_only_directories_on_the_way_to_a_file_are_kept():
    trail = Trail(keep_empty=False)
    for path in (b"a/", b"a/b/", b"a/b/empty/"):
        known(trail, path)
    assert left(trail, b"a/b/x") == []
    trail.note_file()
    known(trail, b"a/empty/")
    assert left(trail) == [(b"a/b/", Verdict.UNCHANGED), (b"a/", Verdict.UNCHANGED)]


def test_outside_of_every_directory_there_is_nothing_to_note():
    trail = Trail(keep_empty=False)
    trail.touch()
    trail.note_file()
    assert left(trail) == []
