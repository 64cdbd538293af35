"""New directories that several attempts build, or that were killed while they did: only the youngest is published."""

import os
from contextlib import suppress

import pytest

from storage_backends.base import FileInfo
from storage_backends.errors import PartialBusy, UploadGone
from storage_backends.local import LocalStorage, system
from tests.unit.storage_backends.building import PATHS, PLAIN, files, publish, staged, trees, who


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


def test_the_lock_of_a_batch_is_let_go_with_it_and_seen_by_other_processes_till_then(storage, root):
    batch = staged(storage)
    number, probe = batch._trees._number, os.open(root, os.O_RDONLY)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            os.write(write, b"held" if system.is_number_locked(os.open(root, os.O_RDONLY), number) else b"free")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 4) == b"held" and system.is_number_locked(probe, number)
    assert not system.is_number_locked(probe, number + 1)
    publish(batch)
    assert not system.is_number_locked(probe, number)
    for fd in (probe, read, write):
        os.close(fd)
