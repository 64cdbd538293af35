"""In which order the system is asked: what is to stay is durable before it gets its name, and the name after."""

import os

import pytest

from storage_backends.local import system
from tests.unit.storage_backends import faults as fault
from tests.unit.storage_backends.sending import DATA, PLAIN, WHO, in_place, partial, send


def test_an_upload_syncs_before_it_renames_and_the_directory_after(session, faults):
    send(session)
    calls = faults.trace("fchmod", "utime", "fsync", "rename")
    session.prepare(b"")
    session.commit()
    assert calls == ["fchmod", "utime", "fsync", "rename", "fsync"]


def test_directories_made_on_the_way_are_durable_before_the_upload_begins(storage, faults):
    calls = faults.trace("mkdir", "fsync")
    token = storage.begin_upload(b"a/b/f", size=1, attributes=PLAIN, source_version="v", partial=WHO)
    storage.resume_upload(token, WHO).abort()
    assert calls == ["mkdir", "mkdir", "fsync", "fsync"]


def test_what_is_durable_leaves_the_page_cache_and_nothing_before(session, faults):
    dropped: list[tuple[int, int, int]] = []
    faults.replace("posix_fadvise", lambda real, fd, *what: (dropped.append(what), real(fd, *what))[1])
    faults.replace("fdatasync", lambda real, fd: (dropped.clear(), real(fd), session.write_part(1, second))[1])
    second = memoryview(DATA)[session.token.part_bytes :]
    session.write_part(0, memoryview(DATA)[: session.token.part_bytes])
    session.sync()
    assert dropped == [(0, session.token.part_bytes, os.POSIX_FADV_DONTNEED)]


def test_a_file_system_that_keeps_its_pages_is_no_trouble(session, faults):
    send(session)
    faults.fail("posix_fadvise", fault.ENOSYS)
    session.sync()


@pytest.mark.parametrize("count", [2, 20])
def test_a_batch_is_durable_before_it_is_published_and_its_names_after(storage, faults, count):
    batch = storage.write_batch()
    in_place(storage, count)
    calls = faults.trace("pwrite", "fsync", "syncfs", "rename")
    paths = [b"d%d/f" % number for number in range(count)]
    for number, path in enumerate(paths):
        batch.stage(path, b"data", PLAIN, partial(number))
    assert set(calls) == {"pwrite"}
    del calls[:]
    batch.flush()
    assert calls == (["fsync"] * 2 if count == 2 else ["syncfs"])
    del calls[:]
    batch.publish(paths)
    assert calls == ["rename"] * count + (["fsync"] * 2 if count == 2 else ["syncfs"])
    batch.discard()


def test_a_file_staged_twice_is_durable_as_well(storage, faults):
    """The batch counts descriptors it could not keep, not paths."""
    batch = storage.write_batch()
    for number in (0, 1, 2, 3, 3):
        batch.stage(b"f%d" % number, b"data", PLAIN, partial(number))
    calls = faults.trace("fsync", "syncfs")
    batch.flush()
    assert calls == ["syncfs"]
    batch.discard()


def test_without_group_commit_every_file_is_synced_by_itself(storage, faults, monkeypatch):
    monkeypatch.setattr(system, "has_group_commit", lambda: False)
    calls = faults.trace("fsync", "syncfs", "rename")
    batch = storage.write_batch()
    for number in range(20):
        batch.stage(b"f%d" % number, b"data", PLAIN, partial(number))
    batch.flush()
    batch.publish([b"f%d" % number for number in range(20)])
    batch.discard()
    assert calls == ["fsync"] * 20 + ["rename"] * 20 + ["fsync"]


def test_a_link_is_made_durable_with_its_directory(storage, root, monkeypatch):
    """It was published right before a crash; opening it would be refused."""
    (root / "link").symlink_to("nowhere")
    synced = []
    monkeypatch.setattr(system, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    storage.sync_file(b"link")
    assert synced == [str(root)]


def test_what_its_mode_forbids_to_open_is_synced_with_the_whole_file_system(storage, root, monkeypatch):
    (root / "secret").write_bytes(b"x")
    synced = []

    def refused(name, flags, *, dir_fd=None, real=system.open):
        if name == b"secret":
            raise PermissionError(13, "Permission denied")
        return real(name, flags, dir_fd=dir_fd)

    monkeypatch.setattr(system, "open", refused)
    monkeypatch.setattr(system, "syncfs", synced.append)
    storage.sync_file(b"secret")
    assert len(synced) == 1
