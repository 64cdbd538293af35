"""Time and mode of a file that is at the sink: never of another one than was looked at, nor over somebody's edit."""

import os

import pytest

from storage_backends import errors
from storage_backends.base import Attributes
from storage_backends.local.attributes import describe
from tests.unit.storage_backends.sending import PLAIN, partial

YEAR_2445_NS = 15_000_000_000 * 10**9 + 999_999_999


@pytest.mark.parametrize("function", ["fchmod", "utime"])
@pytest.mark.parametrize("how", ["edited", "replaced"])
def test_a_file_changed_while_it_gets_its_attributes_is_told(storage, root, faults, function, how):
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def change(real, *args, **kwargs):
        result = real(*args, **kwargs)
        (root / "g").write_bytes(b"longer" if how == "edited" else b"DATA")
        if how == "edited":
            (root / "f").write_bytes(b"longer")
        else:
            (root / "g").replace(root / "f")
        return result

    faults.replace(function, change)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o600), info)


def test_a_file_edited_right_after_it_got_its_time_is_told(storage, root, faults):
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def edit(real, *args, **kwargs):
        real(*args, **kwargs)
        (root / "f").write_bytes(b"DATA")

    faults.replace("utime", edit)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5), info)


def test_a_file_edited_right_before_it_gets_its_attributes_is_left_alone(storage, root, faults):
    """Its new time would hide the edit."""
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def edit(real, name, flags, *args, **kwargs):
        if name == b"f" and not flags & os.O_PATH:
            (root / "f").write_bytes(b"DATA")
        return real(name, flags, *args, **kwargs)

    faults.replace("open", edit)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o600), info)
    assert ((root / "f").stat().st_mode & 0o777, (root / "f").stat().st_mtime_ns == 5) == (0o640, False)


def test_a_link_replaced_while_it_gets_its_attributes_is_told(storage, root, faults):
    (root / "l").symlink_to("x")
    info = storage.get_file_info(b"l")

    def replace(real, *args, **kwargs):
        real(*args, **kwargs)
        (root / "m").symlink_to("y")
        (root / "m").replace(root / "l")

    faults.replace("utime", replace)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"l", Attributes(mtime_ns=5), info)


def test_attributes_are_never_set_through_a_hard_link(storage, root, tmp_path):
    (tmp_path / "outside").write_bytes(b"data")
    os.link(tmp_path / "outside", root / "f")
    before = (tmp_path / "outside").stat()
    with pytest.raises(errors.PreconditionFailed, match="hard links"):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o777), storage.get_file_info(b"f"))
    assert (tmp_path / "outside").stat() == before


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_a_time_no_catalogue_can_hold_is_shown_as_the_last_it_can_and_given_to_the_copy(kind, tmp_path):
    name = {"file": b"f", "directory": b"f/", "link": b"f"}[kind]
    if kind == "directory":
        (tmp_path / "f").mkdir()
    elif kind == "link":
        (tmp_path / "f").symlink_to("x")
    else:
        (tmp_path / "f").touch()
    os.utime(tmp_path / "f", ns=(0, YEAR_2445_NS), follow_symlinks=False)
    status = (tmp_path / "f").lstat()
    if status.st_mtime_ns != YEAR_2445_NS:
        pytest.skip("this file system knows no such time")
    info = describe(name, status)
    assert info.mtime_ns == (1 << 63) - 1
    assert Attributes.of(info).mtime_ns == YEAR_2445_NS
