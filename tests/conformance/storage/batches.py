"""Obligations of batches, and of single writes, directories and attributes."""

import pytest

from storage_backends.base import Attributes, FileInfo, Kind
from storage_backends.errors import (
    BadPath,
    KindConflict,
    NotFound,
    PreconditionFailed,
    StorageError,
    UploadGone,
    VersionChanged,
)
from tests.conformance.storage.places import (
    MTIME_NS,
    PLAIN,
    Place,
    content,
    identity,
    kept_time,
    needs,
    partial,
    put,
)

MANY = 40


class BatchConformance(Place):
    @pytest.fixture
    def batch(self, storage):
        batch = storage.write_batch()
        yield batch
        batch.discard()

    def test_a_batch_publishes_what_was_staged(self, storage, batch):
        files = {b"d%d/f%d" % (number % 7, number): b"content %d" % number for number in range(MANY)}
        for path, data in files.items():
            batch.stage(path, memoryview(data), PLAIN, partial())
        batch.flush()
        results = batch.publish(files.keys())
        assert {path: identity(info) for path, info in results.items()} == {
            path: identity(storage.get_file_info(path)) for path in files
        }
        assert {path: content(storage, path) for path in files} == files

    def test_nothing_is_visible_before_it_is_published(self, storage, batch):
        batch.stage(b"f", b"data", PLAIN, partial())
        batch.flush()
        assert not storage.file_exists(b"f")

    def test_what_is_not_wanted_any_more_is_discarded(self, storage, batch):
        for path in (b"a", b"b", b"c"):
            batch.stage(path, path, PLAIN, partial())
        batch.flush()
        assert batch.publish({b"b"}).keys() == {b"b"}
        assert [info.path for info in storage.list_files()] == [b"b"]

    def test_a_batch_that_was_not_flushed_is_not_published(self, storage, batch):
        batch.stage(b"a", b"data", PLAIN, partial())
        batch.flush()
        batch.stage(b"b", b"data", PLAIN, partial())
        with pytest.raises(StorageError, match="flushed"):
            batch.publish({b"a", b"b"})
        assert not storage.file_exists(b"a")

    def test_a_discarded_batch_leaves_nothing(self, storage, batch):
        for number in range(MANY):
            batch.stage(b"f%d" % number, b"data", PLAIN, partial())
        batch.discard()
        batch.discard()
        assert list(storage.list_files()) == []

    def test_a_batch_serves_again_after_it_was_published(self, storage, batch):
        for path in (b"d/a", b"d/b"):
            batch.stage(path, path, PLAIN, partial())
            batch.flush()
            assert isinstance(batch.publish({path})[path], FileInfo)
        assert content(storage, b"d/b") == b"d/b"

    def test_what_was_never_staged_is_told(self, batch):
        batch.flush()
        assert isinstance(batch.publish({b"a"})[b"a"], UploadGone)

    def test_a_file_is_replaced_whole(self, storage):
        put(storage, b"f", b"a longer content")
        put(storage, b"f", b"short")
        assert content(storage, b"f") == b"short"

    def test_an_empty_file_is_written(self, storage):
        assert put(storage, b"d/f", b"").size == 0

    @pytest.mark.parametrize(
        "name", [b"new\nline", b"'\"`$", b"-rf", b" both ", b"\\", b"\xe9\xff", b"\xc3\xa9", b"...", b"n" * 255, b"*?["]
    )
    def test_a_name_is_only_bytes(self, storage, name):
        if name in self.refused_names:
            with pytest.raises(BadPath):
                put(storage, b"d/" + name, b"data")
            return
        put(storage, b"d/" + name, b"data")
        assert content(storage, b"d/" + name) == b"data"
        assert b"d/" + name in [info.path for info in storage.list_files()]

    def test_attributes_arrive(self, storage):
        put(storage, b"f")
        info = storage.get_file_info(b"f")
        assert kept_time(info) == MTIME_NS
        if storage.capabilities.has_modes:
            assert info.mode == 0o640

    def test_attributes_of_a_file_are_set_without_its_content(self, storage):
        needs(storage, "sets_attributes")
        before = put(storage, b"f")
        info = storage.set_attributes(b"f", Attributes(mtime_ns=MTIME_NS + 5_000_000_000, mode=0o600), before)
        assert identity(info) == identity(storage.get_file_info(b"f"))
        assert kept_time(storage.get_file_info(b"f")) == MTIME_NS + 5_000_000_000
        assert info.version != before.version
        assert content(storage, b"f") == b"data"

    def test_attributes_of_a_missing_file_are_not_set(self, storage):
        needs(storage, "sets_attributes")
        before = put(storage, b"f")
        storage.delete_file(b"f")
        with pytest.raises(NotFound):
            storage.set_attributes(b"f", PLAIN, before)

    def test_attributes_of_a_file_that_is_not_the_expected_one_are_not_set(self, storage):
        needs(storage, "sets_attributes", "version_tells_content")
        before = put(storage, b"f", b"data")
        there = put(storage, b"f", b"DATA")
        with pytest.raises(VersionChanged):
            storage.set_attributes(b"f", Attributes(mtime_ns=MTIME_NS + 5_000_000_000, mode=0o600), before)
        assert storage.get_file_info(b"f") == there

    def test_a_zombies_staged_file_cannot_be_published_over_its_successor(self, storage, open_place, batch):
        batch.stage(b"f", b"of the zombie", PLAIN, partial(1, "7" * 20))
        batch.flush()  # it passed the fence; now it freezes
        open_place().write_file(b"f", b"of the successor", PLAIN, partial(2, "7" * 20))
        assert isinstance(batch.publish({b"f"})[b"f"], UploadGone | PreconditionFailed)
        assert content(storage, b"f") == b"of the successor"

    def test_what_is_expected_to_be_absent_is_not_overwritten(self, storage, batch):
        needs(storage, "commits_if_absent")
        put(storage, b"f", b"somebody else's")
        batch.stage(b"f", b"data", PLAIN, partial(), expected="")
        batch.flush()
        assert isinstance(batch.publish({b"f"})[b"f"], PreconditionFailed)
        assert content(storage, b"f") == b"somebody else's"

    def test_another_version_than_the_expected_one_is_not_overwritten(self, storage, batch):
        needs(storage, "commits_if_version")
        expected = put(storage, b"f", b"ours").version
        put(storage, b"f", b"somebody else's")
        batch.stage(b"f", b"data", PLAIN, partial(), expected=expected)
        batch.flush()
        assert isinstance(batch.publish({b"f"})[b"f"], PreconditionFailed)
        assert content(storage, b"f") == b"somebody else's"

    def test_the_expected_version_is_overwritten(self, storage, batch):
        batch.stage(b"f", b"data", PLAIN, partial(), expected=put(storage, b"f", b"old").version)
        batch.flush()
        assert isinstance(batch.publish({b"f"})[b"f"], FileInfo)
        assert content(storage, b"f") == b"data"

    def test_a_batch_that_trusts_the_server_publishes_the_same(self, storage):
        batch = storage.write_batch(trusts_server=True)
        batch.stage(b"f", b"data", PLAIN, partial(), expected="")
        batch.flush()
        published = batch.publish({b"f"})[b"f"]
        assert identity(published) == identity(storage.get_file_info(b"f"))
        assert content(storage, b"f") == b"data"

    def test_one_bad_file_does_not_take_the_batch_along(self, storage, batch):
        needs(storage, "has_directories")
        put(storage, b"in the way/f")
        put(storage, b"file")
        batch.stage(b"good", b"data", PLAIN, partial())
        batch.stage(b"in the way", b"data", PLAIN, partial())
        with pytest.raises(KindConflict):
            batch.stage(b"file/below", b"data", PLAIN, partial())
        batch.flush()
        results = batch.publish({b"good", b"in the way"})
        assert isinstance(results[b"in the way"], KindConflict)
        assert isinstance(results[b"good"], FileInfo)
        assert [info.path for info in storage.list_files()] == [b"file", b"good", b"in the way/", b"in the way/f"]

    def test_a_directory_gets_its_attributes(self, storage):
        needs(storage, "has_directories")
        info = storage.write_directory(b"a/b/", Attributes(mtime_ns=MTIME_NS, mode=0o750))
        assert info == storage.get_file_info(b"a/b/")
        assert (info.path, info.kind, info.mtime_ns, info.mode) == (b"a/b/", Kind.DIRECTORY, MTIME_NS, 0o750)

    def test_writing_a_directory_twice_is_once(self, storage):
        needs(storage, "has_directories")
        put(storage, b"a/f")
        storage.write_directory(b"a/", Attributes(mode=0o711))
        assert storage.write_directory(b"a/", Attributes(mtime_ns=MTIME_NS)).mode == 0o711

    def test_a_file_in_the_place_of_a_directory_is_a_conflict(self, storage):
        needs(storage, "has_directories")
        put(storage, b"a")
        with pytest.raises(KindConflict):
            storage.write_directory(b"a/", PLAIN)

    @pytest.mark.parametrize("target", [b"f", b"/absolute", b"../up", b"\xff\n", b"x" * 3000])
    def test_a_link_is_written_byte_for_byte(self, storage, batch, target):
        needs(storage, "has_symlinks")
        batch.stage_symlink(b"d/l", target, Attributes(mtime_ns=MTIME_NS), partial())
        batch.flush()
        info = batch.publish({b"d/l"})[b"d/l"]
        assert info == storage.get_file_info(b"d/l")
        assert (info.kind, info.size, info.mtime_ns) == (Kind.SYMLINK, len(target), MTIME_NS)
        assert storage.read_link(b"d/l") == target

    def test_a_link_is_replaced_by_a_file_and_not_written_through(self, storage, batch):
        needs(storage, "has_symlinks")
        put(storage, b"victim", b"untouched")
        batch.stage_symlink(b"l", b"victim", Attributes(), partial())
        batch.flush()
        batch.publish({b"l"})
        put(storage, b"l", b"a file now")
        assert storage.get_file_info(b"l").kind is Kind.FILE
        assert content(storage, b"victim") == b"untouched"
