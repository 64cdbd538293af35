"""Trees that other programs stumble over: strange names, endless depth, unusual modes, mounts and devices."""

import errno
import os
import stat
import subprocess
from contextlib import closing

import pytest

from storage_backends.base import Attributes, FileInfo, Kind, PartialId
from storage_backends.errors import InputOutputError, KindConflict, NameTooLong
from storage_backends.local import LocalStorage, system
from storage_backends.registry import open_storage
from tests.unit.storage_backends.users import as_nobody, folder_of_nobody

TIME = 1_600_000_000_123_456_789


def partial(number: int = 0) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", 1)


@pytest.fixture
def deep_root(root):
    """Removed by rm, because Python's own way (and so pytest's) recurses."""
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


@pytest.mark.parametrize(
    ("name", "levels"), [(b"a", 1_900), (b"n" * 200, 30)], ids=["very many levels", "longer than PATH_MAX"]
)
def test_a_very_long_path_is_written_listed_read_and_deleted(storage, deep_root, name, levels):
    folder = b"/".join([name] * levels)
    written = storage.write_file(folder + b"/f", b"deep", Attributes(mtime_ns=TIME), partial())
    entries = list(storage.list_files())
    assert len(entries) == levels + 1
    assert entries[-1] == written == storage.get_file_info(folder + b"/f")
    assert storage.read_whole(folder + b"/f", 10)[1] == b"deep"
    assert storage.write_directory(folder, Attributes(mtime_ns=TIME)).mtime_ns == TIME
    storage.delete_file(folder + b"/f")
    assert not storage.file_exists(folder + b"/f")


def test_names_of_255_bytes_work_and_longer_ones_are_told(storage):
    storage.write_file(b"d/" + b"n" * 255, b"data", Attributes(), partial())
    with pytest.raises(NameTooLong):
        storage.write_file(b"d/" + b"n" * 256, b"data", Attributes(), partial())
    token = storage.begin_upload(b"n" * 256, size=1, attributes=Attributes(), source_version="", partial=partial())
    with pytest.raises(NameTooLong):
        storage.resume_upload(token, partial())
    assert [info.path for info in storage.list_files()] == [b"d/", b"d/" + b"n" * 255]


def test_special_files_are_listed_as_special(storage, root):
    os.mkfifo(root / "fifo")
    [info] = storage.list_files()
    assert (info.path, info.kind) == (b"fifo", Kind.SPECIAL)


def test_a_directory_with_a_partials_name_is_a_directory(storage, root):
    (root / ".syncf-x.part").mkdir()
    (root / ".syncf-x.part" / "f").touch()
    kinds = [info.kind for info in storage.list_files()]
    assert kinds == [Kind.DIRECTORY, Kind.FILE]


def test_times_are_kept_to_the_nanosecond(storage):
    assert storage.write_file(b"f", b"", Attributes(mtime_ns=TIME), partial()).mtime_ns == TIME
    assert storage.write_file(b"g", b"", Attributes(mtime_ns=-5_000_000_000), partial()).mtime_ns == -5_000_000_000


def test_the_version_of_a_file_is_its_inode_and_ctime(storage, root):
    info = storage.write_file(b"f", b"data", Attributes(mtime_ns=TIME), partial())
    status = (root / "f").stat()
    assert info.version == f"{status.st_ino}.{status.st_ctime_ns}"
    os.chmod(root / "f", 0o600)
    assert storage.get_file_info(b"f").version != info.version


def test_the_version_of_a_directory_is_its_mode_and_owner(storage, root):
    info = storage.write_directory(b"d/", Attributes(mode=0o751))
    assert info.version == f"751.{os.geteuid()}.{(root / 'd').stat().st_gid}"


def test_directories_made_on_the_way_are_private_until_they_get_their_own_mode(storage, root):
    storage.write_file(b"a/b/f", b"", Attributes(mode=0o644), partial())
    assert (root / "a").stat().st_mode & 0o7777 == (root / "a" / "b").stat().st_mode & 0o7777 == 0o700


def test_where_the_source_knows_no_modes_the_umask_decides(storage, root):
    storage.write_file(b"a/f", b"", Attributes(), partial())
    mask = os.umask(0o022)
    os.umask(mask)
    assert (root / "a").stat().st_mode & 0o7777 == 0o777 & ~mask
    assert (root / "a" / "f").stat().st_mode & 0o7777 == 0o666 & ~mask


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


def test_reading_leaves_the_access_time_alone(storage, root):
    (root / "f").write_bytes(b"data")
    os.utime(root / "f", ns=(5, TIME))
    storage.read_whole(b"f", 10)
    assert (root / "f").stat().st_atime_ns == 5


def test_the_device_of_a_root_tells_file_systems_apart(storage):
    assert LocalStorage(b"/proc").root_identity().device != storage.root_identity().device


def test_many_folders_in_one_batch_hold_few_descriptors(storage):
    batch = storage.write_batch()
    paths = [b"d%03d/f" % number for number in range(200)]
    before = len(os.listdir("/proc/self/fd"))
    for number, path in enumerate(paths):
        batch.stage(path, b"data", Attributes(), partial(number))
    assert len(os.listdir("/proc/self/fd")) - before < 50
    batch.flush()
    assert all(isinstance(info, FileInfo) for info in batch.publish(paths).values())
    batch.discard()
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_directories_are_made_durable_by_one_group_commit_and_one_bad_one_spoils_no_other(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    calls = []
    monkeypatch.setattr(system, "syncfs", lambda fd: calls.append("syncfs"))
    monkeypatch.setattr(system, "fsync", lambda fd: calls.append("fsync"))
    paths = [b"d%d/e/" % number for number in range(5)] + [b"file/d/"] + [b"d%d/" % number for number in range(5)]
    with closing(open_storage(f"file://{tmp_path}")) as storage:
        answers = storage.write_directories([(path, Attributes(mtime_ns=TIME, mode=0o751)) for path in paths])
    assert calls == ["syncfs"]
    assert [isinstance(answer, KindConflict) for answer in answers] == [path == b"file/d/" for path in paths]
    assert all((tmp_path / path.decode()).stat().st_mtime_ns == TIME for path in paths if not path.startswith(b"file"))


def test_a_group_commit_of_directories_that_fails_is_no_success_for_any(tmp_path, monkeypatch):
    def broken(fd):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(system, "syncfs", broken)
    with (
        closing(open_storage(f"file://{tmp_path}")) as storage,
        pytest.raises(InputOutputError),
    ):
        storage.write_directories([(b"d%d/" % number, Attributes()) for number in range(9)])
