"""Obligations of reading."""

import pytest

from storage_backends.base import Attributes
from storage_backends.errors import NotFound, NotRegular, VersionChanged
from tests.conformance.storage.places import MTIME_NS, PLAIN, Place, content, needs, partial, put

DATA = bytes(range(256)) * 5000


class ReadingConformance(Place):
    def test_what_was_written_is_read(self, storage):
        put(storage, b"f", DATA)
        assert content(storage, b"f") == DATA

    def test_an_empty_file_is_read(self, storage):
        put(storage, b"f", b"")
        assert content(storage, b"f") == b""
        assert storage.read_whole(b"f", 10)[1] == b""

    def test_a_range_is_read(self, storage):
        put(storage, b"f", DATA)
        assert b"".join(storage.read_file(b"f", 1000, 500)) == DATA[1000:1500]
        assert b"".join(storage.read_file(b"f", len(DATA) - 5, 500)) == DATA[-5:]

    def test_read_into_is_short_only_at_the_end(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            buffer = memoryview(bytearray(1000))
            assert source.read_into(0, buffer) == 1000
            assert source.read_into(len(DATA) - 10, buffer) == 10
            assert buffer[:10] == DATA[-10:]
            assert source.read_into(len(DATA), buffer) == 0

    def test_an_open_file_carries_what_a_look_up_finds(self, storage):
        put(storage, b"d/f", DATA)
        with storage.open_file(b"d/f") as source:
            assert source.info == storage.get_file_info(b"d/f")

    def test_an_untouched_file_is_unchanged(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            source.read_into(0, memoryview(bytearray(10)))
            assert source.is_unchanged()

    def test_a_replaced_file_is_noticed(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            put(storage, b"f", DATA)
            assert not source.is_unchanged()

    def test_a_removed_file_is_noticed(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            storage.delete_file(b"f")
            assert not source.is_unchanged()

    def test_an_open_file_may_be_closed_twice(self, storage):
        put(storage, b"f")
        source = storage.open_file(b"f")
        source.close()
        source.close()

    def test_a_missing_file_is_not_opened(self, storage):
        with pytest.raises(NotFound):
            storage.open_file(b"nothing/here")
        with pytest.raises(NotFound):
            storage.read_whole(b"nothing", 100)

    def test_read_whole_gives_the_identity_of_its_bytes(self, storage):
        put(storage, b"f", b"12345")
        assert storage.read_whole(b"f", 5) == (storage.get_file_info(b"f"), b"12345")

    def test_read_whole_refuses_a_file_that_grew(self, storage):
        put(storage, b"f", b"123456")
        with pytest.raises(VersionChanged):
            storage.read_whole(b"f", 5)

    def test_a_directory_is_not_a_regular_file(self, storage):
        needs(storage, "has_directories")
        storage.write_directory(b"d/", PLAIN)
        with pytest.raises(NotRegular):
            storage.open_file(b"d")

    def test_a_link_is_read_and_never_followed(self, storage):
        needs(storage, "has_symlinks")
        put(storage, b"f")
        batch = storage.write_batch()
        batch.stage_symlink(b"l", b"f", Attributes(), partial())
        batch.flush()
        batch.publish({b"l"})
        batch.discard()
        assert storage.read_link(b"l") == b"f"
        with pytest.raises(NotRegular):
            storage.open_file(b"l")
        with pytest.raises(NotRegular):
            storage.read_whole(b"l", 100)
        with pytest.raises(NotRegular):
            storage.read_link(b"f")

    def test_the_time_of_a_file_is_kept(self, storage):
        assert put(storage, b"f").mtime_ns == MTIME_NS
        assert storage.get_file_info(b"f").mtime_ns == MTIME_NS
