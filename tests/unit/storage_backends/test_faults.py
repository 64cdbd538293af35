"""What happens when the system says no: at a write, a sync or a rename."""

import os
import shutil

import pytest

from storage_backends import errors
from storage_backends.base import Attributes, FileInfo, ListError, PartialId
from storage_backends.local import system
from storage_backends.local.failures import failure
from tests.unit.storage_backends import faults as fault

DATA = bytes(range(256)) * 4096
PLAIN = Attributes(mtime_ns=1_600_000_000_000_000_000, mode=0o640)
WHO = PartialId("0123abcd", "d" * 20, 1)


def partial(number: int) -> PartialId:
    return PartialId("0123abcd", f"{number:020x}", 1)


@pytest.fixture
def session(storage):
    token = storage.begin_upload(b"d/f", size=len(DATA), attributes=PLAIN, source_version="v", partial=WHO)
    session = storage.resume_upload(token, WHO)
    yield session
    session.close()


def send(session) -> None:
    for number in range(session.token.part_count):
        start = number * session.token.part_bytes
        session.write_part(number, memoryview(DATA)[start : start + session.token.part_length(number)])


def names(root) -> list[str]:
    return sorted(name for _, _, files in os.walk(root) for name in files)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("ENOSPC", errors.NoSpace),
        ("EDQUOT", errors.QuotaExceeded),
        ("EROFS", errors.ReadOnly),
        ("EACCES", errors.PermissionDenied),
        ("EPERM", errors.PermissionDenied),
        ("EIO", errors.InputOutputError),
        ("ENAMETOOLONG", errors.NameTooLong),
        ("ENOENT", errors.NotFound),
        ("EISDIR", errors.KindConflict),
        ("ENOTEMPTY", errors.KindConflict),
        ("ELOOP", errors.SymlinkRefused),
        ("EFBIG", errors.FileTooBig),
        ("ESTALE", errors.Unreachable),
        ("ENOTCONN", errors.Unreachable),
        ("ETIMEDOUT", errors.Unreachable),
        ("EMLINK", errors.StorageError),
    ],
)
def test_an_errno_becomes_an_error_that_names_it_and_the_file(number, kind):
    code = getattr(__import__("errno"), number)
    error = failure(OSError(code, os.strerror(code)), b"d/caf\xe9")
    assert type(error) is kind
    assert str(error).startswith(f"{number} at 'd/caf\\xE9': ")


def test_a_file_too_big_is_not_tried_again():
    assert not errors.FileTooBig.retryable


def test_a_short_write_goes_on_where_it_stopped(session, faults, root):
    faults.replace("pwrite", lambda real, fd, data, offset: real(fd, data[: max(1, len(data) // 3)], offset))
    send(session)
    session.prepare(b"")
    session.commit()
    assert (root / "d" / "f").read_bytes() == DATA


def test_a_short_read_goes_on_where_it_stopped(storage, session, faults):
    send(session)
    faults.replace("preadv", lambda real, fd, buffers, offset: real(fd, [buffers[0][:1000]], offset))
    buffer = memoryview(bytearray(session.token.part_bytes))
    assert session.read_part(0, buffer) == len(buffer)
    assert buffer == DATA[: len(buffer)]


def test_a_device_that_takes_no_byte_is_an_error_and_no_endless_loop(session, storage, faults):
    faults.replace("pwrite", lambda real, fd, data, offset: 0)
    with pytest.raises(errors.InputOutputError):
        send(session)
    with pytest.raises(errors.InputOutputError):
        storage.write_file(b"g", b"data", PLAIN, partial(1))


def test_a_full_sink_keeps_what_it_took(session, storage, faults):
    faults.fail("pwrite", fault.ENOSPC, at=2)
    with pytest.raises(errors.NoSpace) as caught:
        send(session)
    assert caught.value.retryable and not caught.value.costs_attempt
    session.close()
    again = storage.resume_upload(session.token, WHO)
    assert list(again.held_parts) == [0]
    again.abort()


@pytest.mark.parametrize("function", ["fdatasync", "fsync"])
def test_after_a_failed_sync_the_partial_is_gone_for_good(session, storage, faults, root, function):
    send(session)
    faults.fail(function, fault.EIO)
    with pytest.raises(errors.InputOutputError):
        session.sync() if function == "fdatasync" else session.prepare(b"")
    assert names(root) == []
    for call in (session.sync, lambda: session.prepare(b""), session.commit, lambda: send(session)):
        with pytest.raises(errors.InputOutputError):
            call()
    session.close()
    with pytest.raises(errors.UploadGone):
        storage.resume_upload(session.token, WHO)


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


def test_a_failed_rename_publishes_nothing_and_can_be_repeated(session, faults, root):
    send(session)
    session.prepare(b"")
    faults.fail("rename", fault.EIO)
    with pytest.raises(errors.InputOutputError):
        session.commit()
    assert not (root / "d" / "f").exists()
    session.commit()
    assert (root / "d" / "f").read_bytes() == DATA


def test_a_failed_directory_sync_is_told(session, faults):
    send(session)
    session.prepare(b"")
    faults.fail("fsync", fault.EIO)
    with pytest.raises(errors.InputOutputError):
        session.commit()


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


def test_a_directory_that_another_worker_makes_in_the_same_moment_is_shared_with_it(storage, faults):
    def made_by_the_other_first(real, name, *args, **kwargs):
        if not PartialId.is_reserved(name):
            real(name, *args, **kwargs)
        return real(name, *args, **kwargs)

    faults.replace("mkdir", made_by_the_other_first)
    assert storage.write_file(b"a/b/f", b"x", PLAIN, WHO).size == 1


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


def in_place(storage, count) -> None:
    """Directories that are there already: nothing of them is built elsewhere."""
    storage.write_directories([(b"d%d/" % number, Attributes()) for number in range(count)])


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


@pytest.mark.parametrize(("count", "function"), [(2, "fsync"), (20, "syncfs")])
def test_a_batch_that_could_not_be_flushed_is_never_published(storage, faults, root, count, function):
    batch = storage.write_batch()
    paths = [b"f%d" % number for number in range(count)]
    for number, path in enumerate(paths):
        batch.stage(path, b"data", PLAIN, partial(number))
    faults.fail(function, fault.EIO)
    with pytest.raises(errors.InputOutputError):
        batch.flush()
    with pytest.raises(errors.StorageError, match="flushed"):
        batch.publish(paths)
    batch.discard()
    assert names(root) == []


@pytest.mark.parametrize("function", ["pwrite", "pread", "fchmod", "utime"])
def test_an_error_concerns_one_file_and_leaves_no_partial(storage, faults, root, function):
    batch = storage.write_batch()
    faults.fail(function, fault.ENOSPC, at=3)
    shared = PLAIN._replace(mode=0o660)  # which a file is not made with, but given in the end
    for number in (0, 1):
        batch.stage(b"f%d" % number, b"data", shared, partial(number))
    with pytest.raises(errors.NoSpace, match="'f2'"):
        batch.stage(b"f2", b"data", shared, partial(2))
    batch.stage(b"f3", b"data", shared, partial(3))
    batch.flush()
    assert all(isinstance(info, FileInfo) for info in batch.publish([b"f0", b"f1", b"f3"]).values())
    batch.discard()
    assert names(root) == ["f0", "f1", "f3"]


def test_a_rename_that_fails_in_a_batch_concerns_one_file(storage, faults, root):
    batch = storage.write_batch()
    paths = [b"f0", b"f1", b"f2"]
    for number, path in enumerate(paths):
        batch.stage(path, b"data", PLAIN, partial(number))
    batch.flush()
    faults.fail("rename", fault.EIO, at=2)
    results = batch.publish(paths)
    batch.discard()
    assert [isinstance(results[path], FileInfo) for path in paths] == [True, False, True]
    assert names(root) == ["f0", "f2"]


def test_a_batch_whose_names_are_not_durable_answers_with_errors(storage, faults):
    batch = storage.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(0))
    batch.flush()
    faults.fail("fsync", fault.EIO)
    assert isinstance(batch.publish({b"f"})[b"f"], errors.InputOutputError)
    batch.discard()


def test_bytes_that_read_back_differently_are_refused(storage, faults, root):
    faults.replace("pread", lambda real, fd, count, offset: real(fd, count, offset)[:-1] + b"\0")
    with pytest.raises(errors.ChecksumMismatch):
        storage.write_file(b"f", b"data", PLAIN, partial(0))
    assert names(root) == []


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


@pytest.mark.parametrize("function", ["fchmod", "utime"])
@pytest.mark.parametrize("how", ["edited", "replaced"])
def test_a_file_changed_while_it_gets_its_attributes_is_told(storage, root, faults, function, how):
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def change(real, *args, **kwargs):
        result = real(*args, **kwargs)
        (root / "g").write_bytes(b"longer" if how == "edited" else b"DATA")
        if how == "edited":
            (root / "f").write_bytes(b"longer")
        else:
            (root / "g").replace(root / "f")
        return result

    faults.replace(function, change)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o600), info)


def test_a_file_edited_right_after_it_got_its_time_is_told(storage, root, faults):
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def edit(real, *args, **kwargs):
        real(*args, **kwargs)
        (root / "f").write_bytes(b"DATA")

    faults.replace("utime", edit)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5), info)


def test_a_file_edited_right_before_it_gets_its_attributes_is_left_alone(storage, root, faults):
    """Its new time would hide the edit."""
    info = storage.write_file(b"f", b"data", PLAIN, partial(0))

    def edit(real, name, flags, *args, **kwargs):
        if name == b"f" and not flags & os.O_PATH:
            (root / "f").write_bytes(b"DATA")
        return real(name, flags, *args, **kwargs)

    faults.replace("open", edit)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o600), info)
    assert ((root / "f").stat().st_mode & 0o777, (root / "f").stat().st_mtime_ns == 5) == (0o640, False)


def test_a_link_replaced_while_it_gets_its_attributes_is_told(storage, root, faults):
    (root / "l").symlink_to("x")
    info = storage.get_file_info(b"l")

    def replace(real, *args, **kwargs):
        real(*args, **kwargs)
        (root / "m").symlink_to("y")
        (root / "m").replace(root / "l")

    faults.replace("utime", replace)
    with pytest.raises(errors.VersionChanged):
        storage.set_attributes(b"l", Attributes(mtime_ns=5), info)


def test_attributes_are_never_set_through_a_hard_link(storage, root, tmp_path):
    (tmp_path / "outside").write_bytes(b"data")
    os.link(tmp_path / "outside", root / "f")
    before = (tmp_path / "outside").stat()
    with pytest.raises(errors.PreconditionFailed, match="hard links"):
        storage.set_attributes(b"f", Attributes(mtime_ns=5, mode=0o777), storage.get_file_info(b"f"))
    assert (tmp_path / "outside").stat() == before


def test_a_file_that_grows_while_it_is_read_whole_is_noticed(storage, root, faults):
    (root / "f").write_bytes(b"1234")

    def grow(real, fd, count, offset):
        with (root / "f").open("ab") as file:
            file.write(b"5")
        return real(fd, count, offset)

    faults.replace("pread", grow)
    with pytest.raises(errors.VersionChanged):
        storage.read_whole(b"f", 100)


def test_a_file_rewritten_in_place_while_it_is_read_whole_is_noticed(storage, root, faults):
    (root / "f").write_bytes(b"1234")
    os.utime(root / "f", ns=(5, 5))

    def rewrite(real, fd, count, offset):
        data = real(fd, count, offset)
        (root / "f").write_bytes(b"4321")
        os.utime(root / "f", ns=(5, 5))  # mtime can be put back, ctime can not
        return data

    faults.replace("pread", rewrite)
    with pytest.raises(errors.VersionChanged):
        storage.read_whole(b"f", 100)


def test_a_file_whose_directory_was_replaced_is_noticed(storage, root):
    """Nothing about the open inode tells: only the name does."""
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"old")
    with storage.open_file(b"d/f") as source:
        (root / "d").rename(root / "e")
        (root / "d").mkdir()
        (root / "d" / "f").write_bytes(b"new")
        assert not source.is_unchanged()


def test_an_error_while_reading_names_the_file(storage, root, faults):
    (root / "f").write_bytes(b"1234")
    faults.fail("preadv", fault.EIO)
    with storage.open_file(b"f") as source, pytest.raises(errors.InputOutputError, match="'f'"):
        source.read_into(0, memoryview(bytearray(4)))


def test_a_directory_that_cannot_be_opened_is_an_error_in_the_listing(storage, root, monkeypatch):
    for name in ("a", "b", "c"):
        (root / name).mkdir()
        (root / name / "f").touch()
    listing = storage.list_files()
    assert next(listing).path == b"a/"
    (root / "a" / "f").unlink()
    (root / "a").rmdir()
    entries = list(listing)
    assert [entry.path for entry in entries] == [b"a/", b"b/", b"b/f", b"c/", b"c/f"]
    assert isinstance(entries[0], ListError) and entries[0].error.not_found


def test_a_missing_root_is_not_an_empty_one(storage, root):
    root.rmdir()
    with pytest.raises(errors.NotFound):
        list(storage.list_files())


# ── durable once more ─────────────────────────────────────────────────────────────────────────────────────────


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
