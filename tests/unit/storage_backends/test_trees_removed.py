"""New directories that nobody publishes: how they are shown to the janitor, and that all of them is removed."""

import errno
import os

import pytest

from storage_backends.base import PartialId
from storage_backends.errors import PartialBusy
from storage_backends.local import LocalStorage
from tests.unit.storage_backends.building import PLAIN, publish, staged, trees, who
from tests.unit.storage_backends.users import as_nobody, folder_of_nobody


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
