"""A source that changes or fails while it is read or listed: it is noticed, told by its name, never taken for empty."""

import os

import pytest

from storage_backends import errors
from storage_backends.base import ListError
from tests.unit.storage_backends import faults as fault


def test_a_file_that_grows_while_it_is_read_whole_is_noticed(storage, root, faults):
    (root / "f").write_bytes(b"1234")

    def grow(real, fd, count, offset):
        with (root / "f").open("ab") as file:
            file.write(b"5")
        return real(fd, count, offset)

    faults.replace("pread", grow)
    with pytest.raises(errors.VersionChanged):
        storage.read_whole(b"f", 100)


def test_a_file_rewritten_in_place_while_it_is_read_whole_is_noticed(storage, root, faults):
    (root / "f").write_bytes(b"1234")
    os.utime(root / "f", ns=(5, 5))

    def rewrite(real, fd, count, offset):
        data = real(fd, count, offset)
        (root / "f").write_bytes(b"4321")
        os.utime(root / "f", ns=(5, 5))  # mtime can be put back, ctime can not
        return data

    faults.replace("pread", rewrite)
    with pytest.raises(errors.VersionChanged):
        storage.read_whole(b"f", 100)


def test_a_file_whose_directory_was_replaced_is_noticed(storage, root):
    """Nothing about the open inode tells: only the name does."""
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"old")
    with storage.open_file(b"d/f") as source:
        (root / "d").rename(root / "e")
        (root / "d").mkdir()
        (root / "d" / "f").write_bytes(b"new")
        assert not source.is_unchanged()


def test_an_error_while_reading_names_the_file(storage, root, faults):
    (root / "f").write_bytes(b"1234")
    faults.fail("preadv", fault.EIO)
    with storage.open_file(b"f") as source, pytest.raises(errors.InputOutputError, match="'f'"):
        source.read_into(0, memoryview(bytearray(4)))


def test_a_directory_that_cannot_be_opened_is_an_error_in_the_listing(storage, root, monkeypatch):
    for name in ("a", "b", "c"):
        (root / name).mkdir()
        (root / name / "f").touch()
    listing = storage.list_files()
    assert next(listing).path == b"a/"
    (root / "a" / "f").unlink()
    (root / "a").rmdir()
    entries = list(listing)
    assert [entry.path for entry in entries] == [b"a/", b"b/", b"b/f", b"c/", b"c/f"]
    assert isinstance(entries[0], ListError) and entries[0].error.not_found


def test_a_missing_root_is_not_an_empty_one(storage, root):
    root.rmdir()
    with pytest.raises(errors.NotFound):
        list(storage.list_files())
