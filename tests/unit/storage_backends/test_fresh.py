"""Owner and mode of the files of a batch: what they are while bytes are written, and what they are in the end."""

import os
import stat

import pytest

from storage_backends.base import Attributes, PartialId
from storage_backends.errors import ChecksumMismatch
from storage_backends.local import LocalStorage, system
from tests.unit.storage_backends.users import NOBODY, as_nobody, folder_of_nobody

WHO = PartialId("0123abcd", "d" * 20, 1)
WHEN = 1_600_000_000_123_456_789

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def write(storage, faults, attributes):
    """Write `f`; returns its mode while its bytes were written, and its status in the end."""
    modes = []

    def note(real, fd, *args):
        modes.append(os.fstat(fd).st_mode & 0o7777)
        return real(fd, *args)

    faults.replace("pwrite", note)
    storage.write_file(b"f", b"data", attributes, WHO)
    return modes[0], os.stat(b"f", dir_fd=storage._root_fd)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755, 0o664, 0o666, 0o400, 0o000, 0o2755, 0o4755, 0o1644])
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_every_mode_is_given_whatever_the_umask(storage, faults, mode, umask, monkeypatch):
    monkeypatch.setattr(system, "umask", lambda: umask)
    old = os.umask(umask)
    try:
        _, status = write(storage, faults, Attributes(WHEN, mode))
    finally:
        os.umask(old)
    assert status.st_mode & 0o7777 == (mode if os.geteuid() == 0 else mode & 0o1777)
    assert status.st_mtime_ns == WHEN


@pytest.mark.parametrize("mode", [0o664, 0o666, 0o622, 0o4755, 0o2755, 0o1755, 0o444])
def test_a_file_that_others_may_change_or_run_as_us_is_private_until_it_is_complete(storage, faults, mode):
    assert write(storage, faults, Attributes(WHEN, mode))[0] == 0o600


def test_a_file_that_stays_ours_has_its_mode_at_once_which_saves_a_call(storage, faults):
    calls = faults.trace("fchmod", "fchown")
    first, status = write(storage, faults, Attributes(WHEN, 0o644))
    assert (first, status.st_mode & 0o7777, calls) == (0o644, 0o644, [])


@as_root
@pytest.mark.parametrize(("uid", "gid"), [(NOBODY, NOBODY), (NOBODY, None), (0, NOBODY)])
def test_a_file_that_is_given_away_is_private_until_it_has_its_owner(storage, faults, uid, gid):
    calls = faults.trace("fchown", "fchmod")
    first, status = write(storage, faults, Attributes(WHEN, 0o640, uid, gid))
    assert first == 0o600
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (uid, gid or 0, 0o640)
    assert calls == ["fchown", "fchmod"]


@as_root
def test_a_folder_that_passes_its_group_on_lets_that_group_read_nothing(storage, faults, root):
    os.chown(root, 0, NOBODY)
    os.chmod(root, 0o2755)
    first, status = write(storage, faults, Attributes(WHEN, 0o640, 0, 0))
    assert first == 0o600
    assert (status.st_gid, status.st_mode & 0o7777) == (0, 0o640)


@as_root
def test_a_folder_that_begins_to_pass_its_group_on_meanwhile_changes_nothing_in_the_end(storage, faults, root):
    def pass_on(real, *args, **kwargs):
        os.chown(root, 0, NOBODY)
        os.chmod(root, 0o2755)
        return real(*args, **kwargs)

    batch = storage.write_batch()
    batch.stage(b"e", b"data", Attributes(WHEN, 0o640, 0, 0), PartialId("0123abcd", "e" * 20, 1))
    faults.replace("open", pass_on)
    batch.stage(b"f", b"data", Attributes(WHEN, 0o640, 0, 0), WHO)
    batch.flush()
    batch.publish({b"e", b"f"})
    batch.discard()
    status = os.stat(root / "f")
    assert (status.st_gid, status.st_mode & 0o7777) == (0, 0o640)


def test_somebody_else_than_root_keeps_modes_and_drops_set_id_bits():
    def check():
        with folder_of_nobody() as path:
            storage = LocalStorage(os.fsencode(path))
            for mode in (0o644, 0o664, 0o6755, 0o400):
                storage.write_file(b"f%o" % mode, b"data", Attributes(WHEN, mode, 0, 0), WHO)
                assert stat.S_IMODE(os.stat(path / f"f{mode:o}").st_mode) == mode & 0o1777
            storage.close()

    as_nobody(check)


def test_bytes_that_somebody_adds_after_they_were_read_back_are_noticed(storage, faults, root):
    def add(real, fd, *args, **kwargs):
        os.pwrite(fd, b"MORE", 4)
        return real(fd, *args, **kwargs)

    faults.replace("utime", add)
    with pytest.raises(ChecksumMismatch):
        storage.write_file(b"f", b"data", Attributes(WHEN, 0o644), WHO)
    assert os.listdir(root) == []
