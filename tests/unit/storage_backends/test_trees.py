"""New directories are built under a partial's name and get their own in one rename, or their files do one by one."""

import errno
import os
import stat

import pytest

from storage_backends.base import Attributes, FileInfo, Kind
from storage_backends.errors import KindConflict, StorageError
from storage_backends.local import system
from storage_backends.local.attributes import directory_mode
from tests.unit.storage_backends.building import PATHS, PLAIN, TIME, files, publish, staged, trees, who


def test_files_of_a_new_directory_are_published_by_one_rename(storage, root, faults):
    batch = staged(storage)
    [tree] = trees(root)
    assert stat.S_IMODE(tree.stat().st_mode) == 0o700
    assert [entry.kind for entry in storage.list_files()] == [Kind.SPECIAL]
    calls = faults.trace("rename", "rename_new")
    results = publish(batch)
    assert calls == ["rename_new"] and files(root) == [os.fsdecode(path) for path in PATHS] and not trees(root)
    for path in PATHS:
        assert results[path] == storage.get_file_info(path)
        assert (root / os.fsdecode(path)).read_bytes() == b"data"


def test_what_is_built_is_durable_before_it_gets_its_name_which_is_durable_after(storage, faults):
    calls = faults.trace("pwrite", "fsync", "syncfs", "rename_new")
    publish(staged(storage))
    assert calls == ["pwrite"] * 3 + ["fsync"] * 6 + ["rename_new", "fsync"]  # three files, d, d/e and the root
    del calls[:]
    many = [b"many/%d" % number for number in range(20)]
    publish(staged(storage, many), many)
    assert calls == ["pwrite"] * 20 + ["syncfs", "rename_new", "fsync"]


def test_without_group_commit_every_directory_is_synced_by_itself(storage, faults, monkeypatch):
    monkeypatch.setattr(system, "has_group_commit", lambda: False)
    calls = faults.trace("fsync", "syncfs", "rename_new")
    paths = [b"d%d/f" % number for number in range(6)]
    publish(staged(storage, paths), paths)
    assert calls == ["fsync"] * (6 + 7) + ["rename_new"] * 6 + ["fsync"]


def test_links_and_files_in_directories_that_exist_go_with_them(storage, root):
    (root / "old").mkdir()
    batch = storage.write_batch()
    batch.stage_symlink(b"d/link", b"target", PLAIN, who(1))
    batch.stage(b"d/file", b"data", PLAIN, who(2))
    batch.stage(b"old/file", b"data", PLAIN, who(3))
    batch.flush()
    results = publish(batch, [b"d/link", b"d/file", b"old/file"])
    assert all(results[path] == storage.get_file_info(path) for path in results)
    assert os.readlink(root / "d" / "link") == "target" and files(root) == ["d/file", "d/link", "old/file"]


def test_files_of_an_old_directory_are_published_with_those_of_many_new_ones(storage, root):
    paths = [b"first", *(b"d%03d/f" % number for number in range(60)), b"last"]
    results = publish(staged(storage, paths), paths)
    assert all(isinstance(results[path], FileInfo) for path in paths) and len(files(root)) == len(paths)


def test_building_changes_nothing_of_the_root_but_for_what_is_new_in_it(storage, root):
    """Else its time would stay another one than at the source: nothing of a deeper change leads a sync to it."""
    (root / "old").mkdir()
    os.utime(root, ns=(TIME, TIME))
    publish(staged(storage, [b"old/new/file"]), [b"old/new/file"])
    assert root.stat().st_mtime_ns == TIME and files(root) == ["old/new/file"]


def test_where_another_worker_was_first_what_it_lacks_is_renamed_and_the_rest_moved(storage, other, root, faults):
    paths = [*PATHS, b"d/new/six", b"d/new/deep/seven"]
    ours, theirs = staged(storage, paths), staged(other, [b"d/four", b"d/e/five"])
    assert len(trees(root)) == 2
    publish(theirs, [b"d/four", b"d/e/five"])
    calls = faults.trace("rename", "rename_new", "fsync")
    results = publish(ours, paths)
    assert calls == ["rename_new"] * 3 + ["rename"] * 6 + ["fsync"] * 2  # not d, not d/e, but d/new; then d and d/e
    assert all(results[path] == storage.get_file_info(path) for path in paths)
    assert len(files(root)) == 7 and not trees(root)


def test_each_directory_is_listed_once_however_deep_those_are_that_another_worker_made(storage, root, monkeypatch):
    paths = [b"d/" * depth + b"f" for depth in range(1, 31)]
    batch = staged(storage, paths)
    (root / os.fsdecode(paths[-1])).parent.mkdir(parents=True)
    listed, real = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda fd: (listed.append(fd), real(fd))[1])
    results = publish(batch, paths)
    monkeypatch.undo()
    assert len(listed) < 2 * len(paths)
    assert all(isinstance(result, FileInfo) for result in results.values())


def test_a_batch_goes_on_after_it_published_the_half_of_a_tree(storage, root):
    batch = staged(storage, [b"d/one", b"d/e/two"])
    (root / "d").mkdir()
    assert len(batch.publish([b"d/one", b"d/e/two"])) == 2
    batch.stage(b"d/three", b"data", PLAIN, who(3))
    batch.stage(b"d/e/four", b"data", PLAIN, who(4))
    batch.flush()
    results = publish(batch, [b"d/three", b"d/e/four"])
    assert all(isinstance(result, FileInfo) for result in results.values())
    assert files(root) == ["d/e/four", "d/e/two", "d/one", "d/three"] and not trees(root)


def test_what_stands_in_the_way_of_a_new_directory_by_now_is_told_for_each_file(storage, root):
    batch = staged(storage)
    (root / "d").write_text("a file")
    results = publish(batch)
    assert all(isinstance(result, KindConflict) for result in results.values())
    assert files(root) == ["d"] and not trees(root)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EXDEV])
def test_a_file_system_that_can_t_rename_like_that_gets_files_one_by_one(storage, root, faults, number):
    faults.fail("rename_new", number, times=9)
    results = publish(staged(storage))
    assert all(isinstance(result, FileInfo) for result in results.values())
    assert files(root) == [os.fsdecode(path) for path in PATHS] and not trees(root)


def test_directories_made_for_what_is_moved_one_by_one_have_the_mode_they_have_in_place(storage, root, faults):
    faults.fail("rename_new", errno.EINVAL, times=9)
    batch = storage.write_batch()
    batch.stage(b"d/e/f", b"data", Attributes(mtime_ns=TIME), who())
    batch.flush()
    publish(batch, [b"d/e/f"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root / "d", root / "d" / "e")} == {directory_mode()}


def test_where_directories_have_no_locks_they_are_made_where_they_belong(storage, root, faults):
    def flock(real, fd, how):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EBADF, "as over NFS")
        return real(fd, how)

    faults.replace("flock", flock)
    batch = staged(storage, [*PATHS, b"other/f"])
    assert sorted(os.listdir(root)) == ["d", "other"]
    assert all(isinstance(result, FileInfo) for result in publish(batch, [*PATHS, b"other/f"]).values())


@pytest.mark.parametrize("call", ["flock", "lock_number"])
def test_where_there_are_no_locks_directories_are_made_where_they_belong(storage, root, faults, call):
    faults.fail(call, errno.ENOLCK, times=9)
    batch = staged(storage)
    assert not trees(root) and (root / "d" / "e").is_dir()
    assert all(isinstance(result, FileInfo) for result in publish(batch).values())


def test_however_many_trees_are_built_few_descriptors_are_held(storage, root):
    storage.probe()
    paths, before = [b"d%03d/f" % number for number in range(200)], len(os.listdir("/proc/self/fd"))
    batch = staged(storage, paths)
    assert len(trees(root)) == 200 and len(os.listdir("/proc/self/fd")) - before < 50
    assert all(isinstance(result, FileInfo) for result in publish(batch, paths).values())
    assert len(files(root)) == len(paths) and not trees(root)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_descriptor_that_was_closed_for_directories_that_can_not_be_built_is_not_written_to(storage, root, faults):
    for number in range(40):
        (root / f"old/{number:02}").mkdir(parents=True)
    faults.fail("mkdir", errno.EACCES, times=40)
    batch = storage.write_batch()
    batch.stage(b"old/a", b"data", PLAIN, who(1))
    for number in range(40):
        with pytest.raises(StorageError):
            batch.stage(b"old/%02d/new/file" % number, b"data", PLAIN, who(2))
    batch.stage(b"old/z", b"data", PLAIN, who(3))
    batch.flush()
    publish(batch, [b"old/a", b"old/z"])
    assert files(root) == ["old/a", "old/z"]


def test_what_was_made_on_the_way_is_synced_also_if_the_way_was_blocked_then(
    storage, faults, monkeypatch
):
    def blocked(real, name, *args, **kwargs):
        if name == b"c" and made:
            del made[:]
            raise PermissionError(errno.EACCES, "for a moment")
        return real(name, *args, **kwargs)

    made, synced = ["c"], []
    monkeypatch.setattr(system, "has_group_commit", lambda: False)
    faults.replace("open", blocked)
    faults.replace("fsync", lambda real, fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    paths = [b"a/b/c/d/file"]
    batch = staged(storage, paths)
    assert not made
    assert {"", "/b", "/b/c"} <= {path.partition(".part")[2] for path in synced if ".part" in path}
    assert isinstance(publish(batch, paths)[paths[0]], FileInfo)
