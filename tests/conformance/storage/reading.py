"""Obligations of reading."""

import random
from contextlib import suppress

import pytest

from storage_backends.base import Attributes
from storage_backends.errors import NotFound, NotRegular, VersionChanged
from tests.conformance.storage.places import (
    MTIME_NS,
    PLAIN,
    Place,
    begin,
    content,
    identity,
    kept_time,
    needs,
    partial,
    put,
    send,
)

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
            assert identity(source.info) == identity(storage.get_file_info(b"d/f"))

    def test_an_untouched_file_is_unchanged(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            source.read_into(0, memoryview(bytearray(10)))
            assert source.is_unchanged()

    def test_a_replaced_file_is_noticed(self, storage):
        needs(storage, "version_tells_content")
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            put(storage, b"f", DATA[::-1])
            assert not source.is_unchanged()

    def test_a_file_written_anew_with_the_same_bytes_is_noticed(self, storage):
        needs(storage, "version_tells_writes")
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            put(storage, b"f", DATA)
            assert not source.is_unchanged()

    def test_a_file_that_is_replaced_while_it_is_read_is_never_mixed(self, storage):
        put(storage, b"f", DATA)
        with storage.open_file(b"f") as source:
            put(storage, b"f", DATA[::-1])
            buffer = memoryview(bytearray(1000))
            with suppress(VersionChanged):
                assert source.read_into(5000, buffer) == 1000
                assert buffer == DATA[5000:6000]
            with suppress(VersionChanged):
                assert b"".join(map(bytes, source.pieces())) == DATA

    def test_a_large_file_is_read_in_order_and_out_of_it(self, storage):
        data = random.Random(1).randbytes(9 << 20)
        token = begin(storage, b"big", data, who := partial())
        session = storage.resume_upload(token, who)
        send(session, data)
        session.prepare(b"s" * 32)
        session.commit()
        session.close()
        assert content(storage, b"big") == data
        with storage.open_file(b"big") as source:
            buffer = memoryview(bytearray(3 << 20))
            for offset in (0, 3 << 20, 1, 6 << 20):
                assert source.read_into(offset, buffer) == len(buffer)
                assert buffer == data[offset : offset + len(buffer)]
            for _ in range(2):
                assert b"".join(map(bytes, source.pieces())) == data

    @pytest.mark.parametrize("size", [0, 1, len(DATA)])
    def test_the_pieces_are_the_whole(self, storage, size):
        put(storage, b"f", DATA[:size])
        with storage.open_file(b"f") as source:
            assert b"".join(map(bytes, source.pieces())) == DATA[:size]

    def test_files_that_were_announced_are_read_like_others(self, storage):
        files = {b"f%d" % number: b"content %d" % number for number in range(50)}
        for path, data in files.items():
            put(storage, path, data)
        storage.prefetch([b"missing", *files], 100)
        with pytest.raises(NotFound):
            storage.read_whole(b"missing", 100)
        for path, data in files.items():
            assert storage.read_whole(path, 100) == (storage.get_file_info(path), data)

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
        put(storage, b"f")
        assert kept_time(storage.get_file_info(b"f")) == MTIME_NS
