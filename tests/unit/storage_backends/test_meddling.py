"""What somebody else edits, replaces or moves while it is published is told, and never taken for ours."""

import os
import shutil

import pytest

from storage_backends import errors
from storage_backends.base import FileInfo, PartialId
from tests.unit.storage_backends.sending import PLAIN, WHO, in_place, partial, send


def test_a_file_replaced_right_after_it_was_published_is_told(storage, faults, root):
    def rename(real, *args, **kwargs):
        real(*args, **kwargs)
        (root / "g").write_bytes(b"somebody else's")
        os.rename(root / "g", root / "f")

    batch = storage.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(0))
    batch.flush()
    faults.replace("rename", rename)
    assert isinstance(batch.publish({b"f"})[b"f"], errors.PreconditionFailed)
    batch.discard()


def edit_once(path, faults, function):
    """The file at `path`, once it is there, is edited just before the next call of `function`."""
    edits = []

    def edit_before(real, *args, **kwargs):
        if path.exists() and not edits:
            edits.append(path)
            path.write_bytes(b"EDIT")
        return real(*args, **kwargs)

    faults.replace(function, edit_before)
    return edits


def test_a_file_of_a_batch_that_is_edited_before_anybody_looked_is_told(storage, faults, root):
    batch = storage.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(0))
    batch.flush()
    edits = edit_once(root / "f", faults, "stat")
    assert isinstance(batch.publish({b"f"})[b"f"], errors.PreconditionFailed)
    batch.discard()
    assert edits


def test_a_file_of_a_batch_that_is_edited_while_names_become_durable_has_another_identity(storage, faults, root):
    batch = storage.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(0))
    batch.flush()
    edits = edit_once(root / "f", faults, "fsync")
    info = batch.publish({b"f"})[b"f"]
    batch.discard()
    now = storage.get_file_info(b"f")
    assert edits and (info.mtime_ns, info.version) != (now.mtime_ns, now.version)


def test_an_upload_that_is_edited_before_anybody_looked_is_told(session, faults, root):
    send(session)
    session.prepare(b"")
    edits = edit_once(root / "d" / "f", faults, "fstat")
    with pytest.raises(errors.PreconditionFailed):
        session.commit()
    assert edits


def test_an_upload_that_is_edited_while_its_name_becomes_durable_has_another_identity(storage, session, faults, root):
    send(session)
    session.prepare(b"")
    edits = edit_once(root / "d" / "f", faults, "fsync")
    info, now = session.commit(), storage.get_file_info(b"d/f")
    assert edits and (info.size, info.mtime_ns, info.version) != (now.size, now.mtime_ns, now.version)


@pytest.mark.parametrize("instead", ["link", "directory", "nothing"])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_directory_moved_out_while_a_batch_is_written_into_it_is_told(storage, root, tmp_path, instead, count):
    in_place(storage, count)
    batch = storage.write_batch()
    paths = [b"d%d/f" % number for number in range(count)]
    for number, path in enumerate(paths):
        batch.stage(path, b"data", PLAIN, partial(number))
    batch.flush()
    move_out(root / "d0", tmp_path / "moved", instead)
    results = batch.publish(paths)
    batch.discard()
    assert isinstance(results.pop(b"d0/f"), errors.StorageError)
    assert all(isinstance(result, FileInfo) for result in results.values())


@pytest.mark.parametrize("in_place", ["link", "directory", "nothing"])
def test_a_directory_moved_out_while_an_upload_is_written_into_it_is_told(session, root, tmp_path, in_place):
    send(session)
    session.prepare(b"")
    move_out(root / "d", tmp_path / "moved", in_place)
    with pytest.raises(errors.StorageError):
        session.commit()


def move_out(directory, to, in_place):
    directory.rename(to)
    if in_place == "link":
        directory.symlink_to(to)
    if in_place == "directory":
        directory.mkdir()


def test_discarding_a_batch_makes_no_directory_again(storage, root):
    in_place(storage, 40)
    batch = storage.write_batch()
    for number in range(40):  # more than are kept open
        batch.stage(b"d%d/f" % number, b"data", PLAIN, partial(number))
    for number in range(40):
        shutil.rmtree(root / f"d{number}")
    batch.discard()
    assert os.listdir(root) == []


def test_a_directory_that_another_worker_makes_in_the_same_moment_is_shared_with_it(storage, faults):
    def made_by_the_other_first(real, name, *args, **kwargs):
        if not PartialId.is_reserved(name):
            real(name, *args, **kwargs)
        return real(name, *args, **kwargs)

    faults.replace("mkdir", made_by_the_other_first)
    assert storage.write_file(b"a/b/f", b"x", PLAIN, WHO).size == 1
