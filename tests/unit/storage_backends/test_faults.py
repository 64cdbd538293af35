"""What happens when the system says no: at a write, a sync or a rename."""

import os

import pytest

from storage_backends import errors
from storage_backends.base import FileInfo
from storage_backends.local.failures import failure
from tests.unit.storage_backends import faults as fault
from tests.unit.storage_backends.sending import DATA, PLAIN, WHO, names, partial, send


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
