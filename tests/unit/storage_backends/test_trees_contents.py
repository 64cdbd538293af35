"""New directories get their name with the files that are told and nothing else, and each file is known as it is."""

import errno
import os
from time import sleep

import pytest

from storage_backends.base import Attributes, FileInfo
from storage_backends.errors import KindConflict, NameCollision, NoSpace, PreconditionFailed
from tests.unit.storage_backends.building import PATHS, PLAIN, TIME, files, publish, staged, trees, who


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
