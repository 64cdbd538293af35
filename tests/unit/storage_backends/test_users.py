"""Whose the files are: what root gives, and how far an ordinary user gets with modes and with other people's files."""

import os
import stat

import pytest

from storage_backends.base import Attributes, FileInfo, PartialId
from storage_backends.local import LocalStorage
from tests.unit.storage_backends.users import as_nobody, folder_of_nobody

TIME = 1_600_000_000_123_456_789


def partial(number: int = 0) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_gives_owner_then_mode_so_that_setuid_stays(storage):
    attributes = Attributes(mtime_ns=TIME, mode=0o4755, uid=1234, gid=4321)
    info = storage.write_file(b"f", b"data", attributes, partial())
    assert (info.mode, info.uid, info.gid) == (0o4755, 1234, 4321)
    token = storage.begin_upload(b"g", size=0, attributes=attributes, source_version="", partial=partial())
    with_session = storage.resume_upload(token, partial())
    with_session.prepare(b"")
    info = with_session.commit()
    with_session.close()
    assert (info.mode, info.uid, info.gid) == (0o4755, 1234, 4321)
    batch = storage.write_batch()
    batch.stage_symlink(b"l", b"f", attributes, partial())
    batch.flush()
    info = batch.publish({b"l"})[b"l"]
    batch.discard()
    assert isinstance(info, FileInfo) and (info.uid, info.gid) == (1234, 4321)
    info = storage.write_directory(b"d/", Attributes(mode=0o2711, uid=1234, gid=4321))
    assert (info.mode, info.uid, info.gid) == (0o2711, 1234, 4321)


def test_an_ordinary_user_drops_setuid_and_setgid_and_keeps_its_own_files():
    with folder_of_nobody() as root:

        def check():
            storage = LocalStorage(os.fsencode(root))
            info = storage.write_file(b"f", b"data", Attributes(mode=0o6755, uid=0, gid=0), partial())
            assert (info.mode, info.uid) == (0o755, os.geteuid())
            assert storage.set_attributes(b"f", Attributes(mode=0o4700), info).mode == 0o700
            assert storage.write_directory(b"d/", Attributes(mode=0o2750)).mode == 0o750

        as_nobody(check)


@pytest.mark.parametrize("mode", [0o400, 0o000, 0o444])
def test_an_ordinary_user_copies_files_without_write_permission(mode):
    with folder_of_nobody() as root:

        def check():
            storage = LocalStorage(os.fsencode(root))
            attributes = Attributes(mode=mode)
            assert storage.write_file(b"f", b"data", attributes, partial()).mode == mode
            info = storage.write_file(b"f", b"newer", attributes, partial())
            assert info.mode == mode
            assert storage.set_attributes(b"f", Attributes(mtime_ns=TIME, mode=mode), info).mtime_ns == TIME
            token = storage.begin_upload(b"g", size=4, attributes=attributes, source_version="", partial=partial())
            session = storage.resume_upload(token, partial())
            session.write_part(0, memoryview(b"data"))
            prepared = session.prepare(b"")
            session.close()
            again = storage.resume_upload(prepared, partial())  # the partial has the final mode by now
            again.write_part(0, memoryview(b"data"))
            again.prepare(b"")
            assert again.commit().mode == mode
            again.close()

        as_nobody(check)


@pytest.mark.parametrize("mode", [0o555, 0o500, 0o444, 0o000])
def test_an_ordinary_user_goes_on_in_a_directory_whose_copied_mode_locks_it_out(mode):
    with folder_of_nobody() as root:

        def check():
            storage = LocalStorage(os.fsencode(root))
            storage.write_file(b"a/b/f", b"data", Attributes(), partial())
            storage.write_directory(b"a/b/", Attributes(mode=mode))
            storage.write_directory(b"a/", Attributes(mode=mode))
            storage.write_file(b"a/b/f", b"newer", Attributes(), partial())
            storage.write_file(b"a/b/g", b"more", Attributes(), partial())
            token = storage.begin_upload(
                b"a/c/g", size=0, attributes=Attributes(), source_version="", partial=partial()
            )
            session = storage.resume_upload(token, partial())
            session.prepare(b"")
            session.commit()
            session.close()
            storage.write_directory(b"a/b/", Attributes(mode=mode))
            assert storage.write_directory(b"a/", Attributes(mode=mode)).mode == mode

        as_nobody(check)


@pytest.mark.parametrize("mode", [0o555, 0o444])
def test_an_ordinary_user_goes_on_below_a_root_whose_copied_mode_locks_it_out(mode):
    with folder_of_nobody() as root:

        def check():
            storage = LocalStorage(os.fsencode(root))
            storage.write_directory(b"", Attributes(mode=mode))
            storage.write_file(b"a/f", b"data", Attributes(), partial())
            storage.write_directory(b"", Attributes(mode=mode))
            storage.write_file(b"g", b"data", Attributes(), partial())
            assert storage.write_directory(b"", Attributes(mode=mode)).mode == mode

        as_nobody(check)


def test_a_directory_of_somebody_else_stays_closed():
    with folder_of_nobody() as root:
        (root / "theirs").mkdir(mode=0o555)

        def check():
            storage = LocalStorage(os.fsencode(root))
            if os.stat(root / "theirs").st_uid == os.geteuid():
                return  # not root: there is nobody else here
            with pytest.raises(Exception, match="EACCES at 'theirs/f': user 65534 may not"):
                storage.write_file(b"theirs/f", b"data", Attributes(), partial())

        as_nobody(check)
        assert stat.S_IMODE((root / "theirs").stat().st_mode) == 0o555


def test_a_directory_that_may_not_be_listed_is_an_error_and_not_empty():
    with folder_of_nobody() as root:
        (root / "closed").mkdir(mode=0o700)
        (root / "open").mkdir(mode=0o755)
        (root / "closed" / "f").touch()

        def check():
            if os.stat(root / "closed").st_uid == os.geteuid():
                os.chmod(root / "closed", 0)
            entries = list(LocalStorage(os.fsencode(root)).list_files())
            assert [entry.path for entry in entries] == [b"closed/", b"closed/", b"open/"]
            assert entries[1].error.code == "PERMISSION_DENIED"

        as_nobody(check)


def test_an_ordinary_user_reads_files_of_others():
    with folder_of_nobody() as root:
        (root / "f").write_bytes(b"data")
        (root / "f").chmod(0o644)

        def check():
            storage = LocalStorage(os.fsencode(root))
            assert storage.read_whole(b"f", 10)[1] == b"data"
            assert b"".join(storage.read_file(b"f")) == b"data"

        as_nobody(check)
