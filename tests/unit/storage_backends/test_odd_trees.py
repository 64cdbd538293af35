"""Trees that other programs stumble over: strange names, endless depth, odd kinds, mounts and devices."""

import errno
import os
import subprocess
from contextlib import closing

import pytest

from storage_backends.base import Attributes, FileInfo, Kind, PartialId
from storage_backends.errors import InputOutputError, KindConflict, NameTooLong
from storage_backends.local import LocalStorage, listing, system
from storage_backends.registry import open_storage

TIME = 1_600_000_000_123_456_789


def partial(number: int = 0) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", 1)


@pytest.fixture
def deep_root(root):
    """Removed by rm, because Python's own way (and so pytest's) recurses."""
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


@pytest.mark.parametrize("most", [1, 2, 3, 5000])
def test_of_a_large_directory_so_many_names_are_listed_at_once_and_all_in_their_order(storage, root, monkeypatch, most):
    monkeypatch.setattr(listing, "CHUNK_ENTRIES", most)
    for directory in ("d", "d/e", "d/e/f", "x"):
        (root / directory).mkdir()
        for name in ("a", "b", "c", "d-", "d0", "z"):
            (root / directory / name).touch()
    chunks = [[entry.path for entry in chunk] for chunk in storage.list_chunks()]
    found = [path for chunk in chunks for path in chunk]
    assert found == sorted(found) and len(found) == 4 * 7
    assert max(map(len, chunks)) <= most and all(chunks)


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
