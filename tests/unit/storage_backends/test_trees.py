"""New directories are built under a partial's name and get their own in one rename, or their files do one by one."""

import contextlib
import errno
import os
import stat
from contextlib import suppress
from time import sleep

import pytest

from storage_backends.base import Attributes, FileInfo, Kind, PartialId
from storage_backends.errors import KindConflict, NameCollision, NoSpace, PartialBusy, PreconditionFailed, UploadGone
from storage_backends.local import LocalStorage, system
from storage_backends.local.attributes import directory_mode
from tests.unit.storage_backends.users import as_nobody, folder_of_nobody

TIME = 1_600_000_000_123_456_789
PLAIN = Attributes(mtime_ns=TIME, mode=0o640)
PATHS = [b"d/e/one", b"d/three", b"d/two"]


def who(number: int = 0, epoch: int = 1) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", epoch)


@pytest.fixture
def other(root):
    """Another worker."""
    storage = LocalStorage(os.fsencode(root))
    yield storage
    storage.close()


def staged(storage, paths=PATHS, *, data=b"data", epoch=1):
    batch = storage.write_batch()
    for number, path in enumerate(paths):
        batch.stage(path, data, PLAIN, who(number, epoch))
    batch.flush()
    return batch


def publish(batch, paths=PATHS):
    results = batch.publish(paths)
    batch.discard()
    return results


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def trees(root):
    return [path for path in root.rglob("*") if PartialId.is_reserved(path.name.encode()) and path.is_dir()]


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


# ── only what is ours, and all of it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_not_wanted_is_not_published_with_the_others(storage, root, faults, fails):
    batch = staged(storage)
    if fails:
        faults.fail("unlink", errno.EIO)
    results = publish(batch, [b"d/e/one", b"d/two"])
    assert set(results) == {b"d/e/one", b"d/two"}
    assert files(root) == ["d/e/one", "d/two"] and not trees(root)


def test_what_could_not_be_written_and_not_be_removed_is_not_published_with_the_others(storage, root, faults):
    batch = storage.write_batch()
    batch.stage(b"d/one", b"data", PLAIN, who(1))
    faults.fail("pwrite", errno.ENOSPC)
    faults.fail("unlink", errno.EIO)
    with pytest.raises(NoSpace):
        batch.stage(b"d/two", b"data", PLAIN, who(2))
    batch.flush()
    publish(batch, [b"d/one"])
    assert files(root) == ["d/one"] and not trees(root)


def test_a_tree_that_got_no_file_for_an_error_leaves_the_others_alone(storage, root, faults):
    batch = storage.write_batch()
    faults.fail("mkdir", errno.EDQUOT, at=2)
    with pytest.raises(NoSpace):
        batch.stage(b"d/e/one", b"data", PLAIN, who(1))
    batch.stage(b"other/two", b"data", PLAIN, who(2))
    batch.flush()
    assert isinstance(publish(batch, [b"other/two"])[b"other/two"], FileInfo)
    assert files(root) == ["other/two"] and not trees(root)


def test_what_somebody_else_put_there_is_not_published(storage, root):
    batch = staged(storage)
    [tree] = trees(root)
    (tree / "e" / "stranger").write_text("who?")
    publish(batch)
    assert files(root) == [os.fsdecode(path) for path in PATHS]


def test_a_file_edited_while_it_waits_is_told_and_the_others_are_not_blamed(storage, root):
    batch = staged(storage)
    [tree] = trees(root)
    (tree / "three").write_bytes(b"edited")
    results = publish(batch)
    assert isinstance(results.pop(b"d/three"), PreconditionFailed)
    assert all(isinstance(result, FileInfo) for result in results.values())


def test_files_whose_times_were_written_late_are_known_as_they_are(storage, root):
    batch = staged(storage)
    [tree] = trees(root)
    for path in tree.rglob("*"):
        path.chmod(0o700)
    results = publish(batch)
    assert all(results[path] == storage.get_file_info(path) for path in PATHS)


def test_files_that_are_moved_one_by_one_are_each_looked_at(storage, root, faults):
    """The first may have been written and moved within one tick of the clock, the second not."""
    batch = staged(storage, [b"d/one", b"d/two"])
    [tree] = trees(root)
    before = (tree / "one").stat()
    sleep(0.02)
    (root / "d").mkdir()
    faults.replace("stat", lambda real, name, **where: before if name == b"one" else real(name, **where))
    assert publish(batch, [b"d/two", b"d/one"])[b"d/two"] == storage.get_file_info(b"d/two")


@pytest.mark.parametrize("attributes", [Attributes(TIME, 0o666), Attributes(TIME, 0o640, 12345, 12345)])
def test_files_that_get_mode_or_owner_at_the_end_are_known_as_they_are(storage, faults, attributes):
    batch, paths = storage.write_batch(), [b"d/%d" % number for number in range(50)]
    for number, path in enumerate(paths):
        batch.stage(path, b"data", attributes, who(number))
    batch.flush()
    looks = faults.trace("stat")
    results = publish(batch, paths)
    assert len(looks) < 10
    assert all(results[path] == storage.get_file_info(path) for path in paths)


def test_two_names_that_are_one_for_the_file_system_are_told(storage, root, faults):
    batch = storage.write_batch()
    batch.stage(b"d/one", b"data", PLAIN, who(1))
    faults.replace("open", lambda real, name, *more, **where: real({b"ONE": b"one"}.get(name, name), *more, **where))
    with pytest.raises(NameCollision, match="d/ONE"):
        batch.stage(b"d/ONE", b"other", PLAIN, who(2))
    batch.flush()
    publish(batch, [b"d/one"])
    assert (root / "d" / "one").read_bytes() == b"data"


@pytest.mark.parametrize("paths", [[b"d/a", b"d/a/b"], [b"d/a/b", b"d/a"]])
def test_what_is_a_file_and_a_directory_at_the_source_is_told_by_its_own_name(storage, root, paths):
    batch = storage.write_batch()
    batch.stage(paths[0], b"data", PLAIN, who(1))
    with pytest.raises(KindConflict, match=r"^'d/a'"):
        batch.stage(paths[1], b"other", PLAIN, who(2))
    batch.flush()
    publish(batch, paths[:1])
    assert files(root) == [os.fsdecode(paths[0])] and not trees(root)


def test_files_of_an_old_directory_are_published_with_those_of_many_new_ones(storage, root):
    paths = [b"first", *(b"d%03d/f" % number for number in range(60)), b"last"]
    results = publish(staged(storage, paths), paths)
    assert all(isinstance(results[path], FileInfo) for path in paths) and len(files(root)) == len(paths)


def test_directories_made_for_what_is_moved_one_by_one_have_the_mode_they_have_in_place(storage, root, faults):
    faults.fail("rename_new", errno.EINVAL, times=9)
    batch = storage.write_batch()
    batch.stage(b"d/e/f", b"data", Attributes(mtime_ns=TIME), who())
    batch.flush()
    publish(batch, [b"d/e/f"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root / "d", root / "d" / "e")} == {directory_mode()}


# ── taking over ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_a_younger_attempt_took_is_not_published_by_the_older_one(storage, other, root):
    zombie = staged(storage, data=b"old!")
    younger = staged(other, [b"d/two"], data=b"new!", epoch=2)
    results = publish(zombie)
    assert isinstance(results[b"d/two"], UploadGone) and isinstance(results[b"d/three"], FileInfo)
    assert isinstance(publish(younger, [b"d/two"])[b"d/two"], FileInfo)
    assert (root / "d" / "two").read_bytes() == b"new!" and len(files(root)) == 3 and not trees(root)


def test_a_zombie_that_wakes_up_after_a_younger_attempt_published_changes_nothing_of_it(storage, other, root):
    zombie = staged(storage, data=b"old!")
    publish(staged(other, [b"d/two"], data=b"new!", epoch=2), [b"d/two"])
    assert isinstance(publish(zombie)[b"d/two"], UploadGone)
    assert (root / "d" / "two").read_bytes() == b"new!" and not trees(root)


@pytest.mark.parametrize("epoch", [2, 100])
@pytest.mark.parametrize("is_new", [True, False])
def test_what_a_zombie_moved_out_of_its_tree_since_is_not_published_over_what_is_younger(
    storage, other, root, faults, epoch, is_new
):
    zombie = staged(other, [b"d/two"], data=b"old!", epoch=epoch - 1)
    if not is_new:
        (root / "d").mkdir()
    younger = storage.write_batch()
    younger.stage(b"d/one", b"new!", PLAIN, who(1, epoch))
    (root / "d").mkdir(exist_ok=True)
    renames = []

    def overtaken(real, *args, **kwargs):
        renames.append(args)
        if len(renames) == 2:  # it is out of the tree, and has not got its name
            younger.stage(b"d/two", b"new!", PLAIN, who(0, epoch))
            younger.flush()
            assert isinstance(publish(younger, [b"d/one", b"d/two"])[b"d/two"], FileInfo)
        return real(*args, **kwargs)

    faults.replace("rename", overtaken)
    assert isinstance(publish(zombie, [b"d/two"])[b"d/two"], UploadGone)
    assert (root / "d" / "two").read_bytes() == b"new!" and files(root) == ["d/one", "d/two"]


@pytest.mark.parametrize("call", ["rename_new", "unlink"])
def test_a_zombie_that_takes_a_file_out_of_a_younger_tree_at_its_publishing_takes_nothing_that_is_told(
    storage, other, root, faults, call
):
    younger, results, moments = staged(storage, epoch=3), {}, []

    def at_once(real, *args, **kwargs):
        moments.append(call)
        if len(moments) == 1 and call == "unlink":
            results.update(publish(younger))
        elif len(moments) == 1:
            with suppress(PartialBusy):
                other.discard_partials(b"d/two", who(2, 2))
        return real(*args, **kwargs)

    faults.replace(call, at_once)
    if call == "unlink":
        other.discard_partials(b"d/two", who(2, 2))
    else:
        results.update(publish(younger))
    told = [os.fsdecode(path) for path in PATHS if isinstance(results[path], FileInfo)]
    assert moments and files(root) == told and not trees(root)


@pytest.mark.parametrize("way", ["batch", "discard", "upload"])
def test_what_a_killed_attempt_was_building_is_removed_by_the_next_one(storage, root, way):
    pid = os.fork()
    if pid == 0:
        staged(LocalStorage(os.fsencode(root)))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(trees(root)) == 1
    if way == "batch":
        publish(staged(storage, [b"d/e/one"], epoch=2), [b"d/e/one"])
    elif way == "discard":
        storage.discard_partials(b"d/e/one", who(0, 2))
    else:
        token = storage.begin_upload(b"d/e/one", size=4, attributes=PLAIN, source_version="v", partial=who(0, 2))
        storage.resume_upload(token, who(0, 2)).close()
    assert not trees(root) and not (root / "d" / "three").exists()


def test_what_a_living_neighbour_builds_is_left_to_it(storage, other, root):
    neighbour = staged(storage)
    assert other.discard_partials(b"d/four", who(9, 2)) == 0
    assert other.discard_partials(b"d/two", who(2, 2)) == 1
    assert len(trees(root)) == 1
    assert isinstance(publish(neighbour)[b"d/three"], FileInfo)


def test_building_changes_nothing_of_the_root_but_for_what_is_new_in_it(storage, root):
    """Else its time would stay another one than at the source: nothing of a deeper change leads a sync to it."""
    (root / "old").mkdir()
    os.utime(root, ns=(TIME, TIME))
    publish(staged(storage, [b"old/new/file"]), [b"old/new/file"])
    assert root.stat().st_mtime_ns == TIME and files(root) == ["old/new/file"]


def test_the_lock_of_a_batch_is_let_go_with_it_and_seen_by_other_processes_till_then(storage, root):
    batch = staged(storage)
    number, probe = batch._trees._number, os.open(root, os.O_RDONLY)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.write(write, b"held" if system.is_number_locked(os.open(root, os.O_RDONLY), number) else b"free")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 4) == b"held" and system.is_number_locked(probe, number)
    assert not system.is_number_locked(probe, number + 1)
    publish(batch)
    assert not system.is_number_locked(probe, number)
    for fd in (probe, read, write):
        os.close(fd)


@pytest.mark.parametrize("way", ["batch", "janitor"])
@pytest.mark.parametrize("what", ["closed", "file", "link"])
def test_what_became_of_a_tree_meanwhile_does_not_keep_it_from_being_removed(what, way):
    def check():
        tree = folder / os.fsdecode(PartialId.of_directory("0123abcd", b"d", 5).name)
        if what == "closed":
            tree.mkdir(0)
        elif what == "file":
            tree.touch()
        else:
            tree.symlink_to("elsewhere")
        storage = LocalStorage(os.fsencode(folder))
        if way == "batch":
            storage.discard_partials(b"d/f", who(0, 2))
        else:
            storage.delete_file(os.fsencode(tree.name))
        assert not list(folder.iterdir())

    with folder_of_nobody() as folder:
        as_nobody(check)


@pytest.mark.parametrize("call", ["unlink", "rmdir"])
def test_what_can_t_be_removed_at_once_is_tried_again(storage, root, faults, call):
    batch = staged(storage)
    faults.fail(call, errno.ENOSPC)
    batch.discard()
    assert not list(root.iterdir())


# ── the janitor's view ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_tree_is_one_unfinished_upload_of_the_size_of_its_files(storage, other, root):
    batch = staged(storage)
    [upload] = other.list_uploads()
    assert upload.size == 12 and PartialId.parse(upload.path)
    with pytest.raises(PartialBusy):
        other.delete_file(upload.path)
    batch._trees._close_lock()  # as the kernel does for a killed process
    other.delete_file(upload.path)
    other.delete_file(upload.path)
    assert not list(root.iterdir())


def test_a_tree_is_busy_also_for_who_looks_from_above_the_sink(storage, root):
    (root / "sink").mkdir()
    below = LocalStorage(os.fsencode(root), b"sink")
    batch = staged(below)
    [path] = [upload.path for upload in storage.list_uploads() if upload.size]
    with pytest.raises(PartialBusy):
        storage.delete_file(path)
    assert len(publish(batch)) == 3
    below.close()


def test_a_link_that_waits_for_its_name_and_a_tree_that_got_it_meanwhile_are_shown_too(storage, other, root, faults):
    batch = storage.write_batch()
    batch.stage_symlink(b"link", b"target", PLAIN, who())
    assert [upload.path for upload in other.list_uploads()] == [who().name]
    batch.discard()
    batch = staged(storage)
    seen = other.list_uploads()
    next(seen)
    publish(batch)
    assert len(list(seen)) <= 1


def test_what_can_t_be_removed_is_all_that_is_left(storage, root):
    batch = staged(storage, [b"a/f", b"b/f", b"c/f"])
    stuck = trees(root)[0]
    stuck.rename(root / "elsewhere")
    stuck.write_bytes(b"somebody's")
    batch.discard()
    assert not trees(root)


def test_a_deep_tree_is_removed_without_recursion(storage, root):
    path = b"/".join([b"d"] * 1500)
    batch = storage.write_batch()
    batch.stage(path, b"data", PLAIN, who())
    batch.discard()
    assert not list(root.iterdir())
