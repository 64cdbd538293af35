"""Reading many small files: what the descriptor of their folder, kept for a moment, may and may not lead to."""

import os

import pytest

from storage_backends.errors import BadPath, NotFound, NotRegular, SymlinkRefused
from storage_backends.local import reading


@pytest.fixture
def tree(storage, root):
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"first")
    (root / "f").write_bytes(b"at the root")
    assert storage.read_whole(b"d/f", 9)[1] == b"first"  # now the folder is open
    return root / "d"


@pytest.mark.parametrize("path", [b"d/.", b"d/..", b"d//f", b"/d/f", b"d/../f", b"d/f\0"])
def test_an_odd_path_below_an_open_folder_is_refused_as_ever(storage, tree, path):
    with pytest.raises(BadPath):
        storage.read_whole(path, 99)


@pytest.mark.parametrize("path", [b"", b"/f", b"..", b".", b"/"])
def test_an_odd_path_below_the_open_root_is_refused_as_ever(storage, tree, path):
    storage.read_whole(b"f", 99)
    with pytest.raises(BadPath):
        storage.read_whole(path, 99)


def test_a_link_in_an_open_folder_is_not_followed(storage, tree):
    (tree / "l").symlink_to("/etc/passwd")
    with pytest.raises(NotRegular, match="symbolic link"):
        storage.read_whole(b"d/l", 1 << 20)


def test_a_folder_that_was_replaced_is_read_anew_after_a_moment(storage, tree, tmp_path, monkeypatch):
    now = reading.monotonic()
    tree.rename(tmp_path / "moved")
    tree.symlink_to(tmp_path / "moved")
    monkeypatch.setattr(reading, "monotonic", lambda: now + reading.FOLDER_SECONDS + 1)
    with pytest.raises(SymlinkRefused):
        storage.read_whole(b"d/f", 9)
    tree.unlink()
    with pytest.raises(NotFound):
        storage.read_whole(b"d/f", 9)


def test_a_file_that_vanished_from_an_open_folder_is_told_by_its_path(storage, tree):
    with pytest.raises(NotFound, match="'d/g'"):
        storage.read_whole(b"d/g", 9)


def test_closing_lets_go_of_the_folder(storage, tree):
    before = len(os.listdir("/proc/self/fd"))
    storage.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2  # the root and the folder
