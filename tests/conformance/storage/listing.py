"""Obligations of listings, look-ups and roots."""

import pytest

from storage_backends.base import Attributes, FileInfo, Kind, ListError, PartialId
from storage_backends.errors import BadPath, NotFound, Overlap
from tests.conformance.storage.places import MTIME_NS, Place, identity, kept_time, needs, put

TREE = [b"a", b"a-", b"b/x", b"b/y/z", b"b0", b"c\xff", b"d e~"]


def listed(storage, **options) -> list[bytes]:
    return [entry.path for entry in storage.list_files(**options)]


class ListingConformance(Place):
    def test_an_empty_root_lists_nothing(self, storage):
        assert listed(storage) == []

    def test_paths_come_in_ascending_byte_order(self, storage):
        for path in [b"a-", b"a0", b"a/x", b"a/x-", b"a/y/z", b"A", b"\xc3\xa9", b"z"]:
            put(storage, path)
        paths = listed(storage)
        assert paths == sorted(paths)

    def test_every_file_is_listed_once(self, storage):
        tree = [path for path in TREE if path not in self.refused_names]
        for path in tree:
            put(storage, path)
        assert [path for path in listed(storage) if not path.endswith(b"/")] == sorted(tree)

    def test_a_listing_in_chunks_is_the_same_listing(self, storage):
        for path in [b"a-", b"a/x", b"a/y/z", b"a/y0", b"b"]:
            put(storage, path)
        chunks = list(storage.list_chunks())
        assert all(chunks)
        assert [entry for chunk in chunks for entry in chunk] == list(storage.list_files())

    def test_a_listed_file_is_what_a_look_up_finds(self, storage):
        put(storage, b"d/f", b"12345")
        [info] = [info for info in storage.list_files() if info.kind is Kind.FILE]
        found = storage.get_file_info(b"d/f")
        assert identity(info) == identity(found)
        assert (info.path, info.size, kept_time(found)) == (b"d/f", 5, MTIME_NS)

    def test_a_directory_is_listed_before_what_it_holds(self, storage):
        needs(storage, "has_directories")
        put(storage, b"d/f")
        folder, file = storage.list_files()
        assert (folder.path, folder.kind, folder.size) == (b"d/", Kind.DIRECTORY, 0)
        assert file.path == b"d/f"

    def test_prune_leaves_out_a_directory_and_all_below_it(self, storage):
        for path in TREE:
            if path not in self.refused_names:
                put(storage, path)
        paths = listed(storage, prune=lambda path: path == b"b/")
        assert not [path for path in paths if path.startswith(b"b/")]
        assert b"b0" in paths

    def test_prune_is_asked_about_directories_only(self, storage):
        put(storage, b"b/y/z")
        asked = set()
        listed(storage, prune=asked.add)
        assert asked == {b"b/", b"b/y/"}

    def test_the_other_sides_root_is_reported_and_not_entered(self, storage, open_place):
        put(storage, b"in/ner/x")
        put(storage, b"y")
        other = open_place(b"in/ner").root_identity().chain[0]
        entries = list(storage.list_files(stop_at={other}))
        [stop] = [entry for entry in entries if isinstance(entry, ListError)]
        assert stop.path == b"in/ner/" and isinstance(stop.error, Overlap)
        assert b"in/ner/x" not in [entry.path for entry in entries]
        assert b"y" in [entry.path for entry in entries]

    def test_a_name_kept_for_partials_is_special(self, storage):
        put(storage, b"d/.syncf-anything.part")
        [info] = [info for info in storage.list_files() if info.path != b"d/"]
        assert info.kind is Kind.SPECIAL

    def test_a_version_stays_while_nothing_happens(self, storage):
        put(storage, b"f")
        assert storage.get_file_info(b"f").version == storage.get_file_info(b"f").version

    def test_a_version_changes_with_the_content(self, storage):
        needs(storage, "version_tells_content")
        first = put(storage, b"f", b"one")
        assert put(storage, b"f", b"two").version != first.version

    def test_a_missing_file_is_not_found(self, storage):
        with pytest.raises(NotFound):
            storage.get_file_info(b"nothing")
        assert not storage.file_exists(b"nothing")

    def test_what_is_below_a_file_does_not_exist(self, storage):
        put(storage, b"f")
        assert not storage.file_exists(b"f/x")

    def test_a_file_that_is_there_exists(self, storage):
        put(storage, b"d/f")
        assert storage.file_exists(b"d/f")

    @pytest.mark.parametrize("path", [b"/", b"/a", b"a//b", b".", b"..", b"a/..", b"a/./b", b"../a", b"a\0b"])
    def test_a_path_that_is_not_canonical_is_refused(self, storage, path):
        with pytest.raises(BadPath):
            storage.get_file_info(path)
        with pytest.raises(BadPath):
            storage.open_file(path)
        with pytest.raises(BadPath):
            put(storage, path)
        assert listed(storage) == []

    def test_the_root_has_no_content_of_its_own(self, storage):
        with pytest.raises(BadPath):
            storage.open_file(b"")
        with pytest.raises(BadPath):
            put(storage, b"")

    def test_the_root_is_a_directory_with_attributes(self, storage):
        needs(storage, "has_directories")
        info = storage.write_directory(b"", Attributes(mtime_ns=MTIME_NS, mode=0o750))
        assert info == storage.get_file_info(b"")
        assert (info.path, info.kind, info.mtime_ns, info.mode) == (b"", Kind.DIRECTORY, MTIME_NS, 0o750)

    def test_a_root_below_the_root_sees_only_its_own_files(self, storage, open_place):
        put(storage, b"job/f", b"mine")
        for beside in (b"other", b"job-/f", b"job0", b"jo/b"):
            put(storage, beside)
        inner = open_place(b"job")
        assert [info.path for info in inner.list_files()] == [b"f"]
        put(inner, b"g")
        assert storage.file_exists(b"job/g")

    def test_create_makes_the_root_of_a_job(self, open_place):
        storage = open_place(b"new/job", create=True)
        storage.probe()
        assert listed(storage) == []

    def test_identities_of_a_root_and_one_inside_it_overlap(self, storage, open_place):
        put(storage, b"a/b/f")
        put(storage, b"c/f")
        root, inner, deeper = (open_place(path).root_identity() for path in (b"", b"a", b"a/b"))
        beside = open_place(b"c").root_identity()
        assert root.overlaps(deeper) and deeper.overlaps(inner) and inner.overlaps(inner)
        assert not inner.overlaps(beside)

    def test_the_location_is_the_identity_without_a_look_inside(self, storage, open_place):
        put(storage, b"a/b/f")
        for place in (storage, open_place(b"a"), open_place(b"not/yet")):
            assert place.location() == place.root_identity().chain
            assert place.presumed_identity()._replace(is_empty=False) == place.root_identity()._replace(is_empty=False)

    def test_a_root_that_does_not_exist_yet_has_an_identity(self, storage, open_place):
        missing = open_place(b"not/yet").root_identity()
        assert missing.is_empty
        assert missing.overlaps(storage.root_identity())
        assert not missing.overlaps(open_place(b"not/this").root_identity())

    def test_an_identity_says_whether_the_root_is_empty(self, storage):
        assert storage.root_identity().is_empty
        put(storage, b"f")
        assert not storage.root_identity().is_empty

    def test_deleting_a_missing_file_is_success(self, storage):
        storage.delete_file(b"no/such/file")

    def test_a_deleted_file_is_gone(self, storage):
        put(storage, b"f")
        storage.delete_file(b"f")
        assert not storage.file_exists(b"f")

    def test_probe_accepts_a_root_that_is_there(self, storage):
        storage.probe()

    def test_close_may_be_called_twice(self, storage):
        storage.close()
        storage.close()

    def test_directory_versions_tell_mode_and_owner_only(self, storage):
        needs(storage, "has_directories", "has_modes")
        put(storage, b"d/f")
        before = storage.get_file_info(b"d/")
        put(storage, b"d/g")
        assert storage.get_file_info(b"d/").version == before.version

    def test_an_info_is_a_plain_tuple(self, storage):
        assert isinstance(put(storage, b"f"), FileInfo)
        assert PartialId.is_reserved(PartialId("0123abcd", "0" * 20, 7).name)
