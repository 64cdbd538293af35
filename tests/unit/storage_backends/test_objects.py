"""What all object stores have in common, on the one in memory."""

from functools import partial

import pytest

from storage_backends.base import Attributes, FileInfo, ListError, PartialId
from storage_backends.errors import BadPath, ChecksumMismatch, StorageError, VersionChanged
from storage_backends.memory import MemoryStorage
from storage_backends.objects import metadata
from storage_backends.objects.client import Stored
from storage_backends.objects.pace import retry_after_seconds
from storage_backends.objects.reading import RANGE_BYTES, RANGES_AHEAD, ReadAhead

WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture
def storage(request):
    storage = MemoryStorage(request.node.name.encode().hex())
    yield storage
    storage.close()


def published(storage, *, trusts_server=False):
    batch = storage.write_batch(trusts_server=trusts_server)
    batch.stage(b"f", b"data", Attributes(), WHO, expected="")
    batch.flush()
    return batch.publish({b"f"})[b"f"]


@pytest.fixture
def altering(storage, monkeypatch):
    """A server that keeps other bytes than it was sent."""
    put = storage.client.put
    monkeypatch.setattr(storage.client, "put", lambda key, data, *more: put(key, data[::-1], *more))


def test_a_small_object_that_is_not_what_was_written_is_noticed(storage, altering):
    assert isinstance(published(storage), ChecksumMismatch)


def test_a_server_that_verifies_nothing_is_not_trusted(storage, altering):
    assert isinstance(published(storage, trusts_server=True), ChecksumMismatch)


def test_nothing_is_read_back_from_a_server_that_is_trusted(storage, altering):
    storage.capabilities = storage.capabilities._replace(verifies_digest="sha256")
    assert isinstance(published(storage, trusts_server=True), FileInfo)


def test_a_range_that_comes_short_is_not_taken_for_the_end(storage, monkeypatch):
    storage.client.put("big", bytes(2 * RANGE_BYTES), {}, None)
    short = lambda key, version, offset, buffer: len(buffer) - 1  # noqa: E731
    monkeypatch.setattr(storage.client, "read_range", short)
    with storage.open_file(b"big") as source, pytest.raises(StorageError, match="it is read again"):
        source.read_into(0, memoryview(bytearray(100)))


def test_a_large_object_is_read_through_the_same_few_buffers(storage, monkeypatch):
    content = bytes(range(251)) * (RANGE_BYTES * 12 // 251)
    storage.client.put("big", content, {}, None)
    used, read_range = {}, storage.client.read_range

    def noting(key, version, offset, buffer):
        used[id(buffer.obj)] = buffer.obj
        return read_range(key, version, offset, buffer)

    monkeypatch.setattr(storage.client, "read_range", noting)
    found = bytearray(len(content))
    with storage.open_file(b"big") as source:
        for offset in range(0, len(content), 1_000_003):
            source.read_into(offset, memoryview(found)[offset : offset + 1_000_003])
    assert found == content
    assert len(used) <= RANGES_AHEAD


def test_an_object_that_is_replaced_between_two_ranges_is_noticed(storage):
    storage.client.put("big", bytes(RANGE_BYTES * 9), {}, None)
    with storage.open_file(b"big") as source:
        source.read_into(0, memoryview(bytearray(100)))
        storage.client.put("big", b"1" * RANGE_BYTES * 9, {}, None)
        with pytest.raises(VersionChanged):
            source.read_into(RANGE_BYTES * 8, memoryview(bytearray(100)))


def test_a_key_that_ends_in_a_slash_and_has_content_is_told_and_an_empty_one_is_a_directory(storage):
    for key, data in (("a/", b""), ("b/", b"x"), ("c", b"")):
        storage.client.put(key, data, {}, None)
    error, file = storage.list_files()
    assert isinstance(error, ListError) and isinstance(error.error, BadPath) and error.path == b"b/"
    assert file.path == b"c"


def test_a_key_that_begins_with_a_slash_is_listed_and_not_opened(storage):
    storage.client.put("/x", b"", {}, None)
    assert [info.path for info in storage.list_files()] == [b"/x"]
    with pytest.raises(BadPath):
        storage.open_file(b"/x")


@pytest.mark.parametrize(
    "kept",
    [{"syncf-mtime-ns": "x"}, {"syncf-mode": "rw"}, {"syncf-sha256": "xyz"}, {"mtime": "x"}, {"syncf-uid": "9" * 40}],
)
def test_metadata_that_others_wrote_wrongly_counts_as_absent(kept):
    info = metadata.describe(b"f", Stored("f", 1, "v", kept))
    assert (info.kept_mtime_ns, info.mode, info.uid, info.sha256) == (None, None, None, None)


@pytest.mark.parametrize("name", [metadata.MTIME, metadata.RCLONE_MTIME])
@pytest.mark.parametrize("text", ["1" + "0" * 30, "-1" + "0" * 30, "1e30", "nan", "inf", "", "x"])
def test_a_time_that_no_system_takes_counts_as_absent(name, text):
    stored = Stored("f", 0, "v", {name: text}, 7)
    assert metadata.describe(b"f", stored).kept_mtime_ns == 7


@pytest.mark.parametrize("text", [str((1 << 32) - 1), str(1 << 32), "-1", "-5"])
def test_an_owner_that_no_system_knows_counts_as_absent(text):
    info = metadata.describe(b"f", Stored("f", 0, "v", {metadata.UID: text, metadata.GID: text}))
    assert (info.uid, info.gid) == (None, None)


def test_a_time_beyond_64_bits_of_nanoseconds_is_kept():
    far = 15_000_000_000 * 10**9 + 1
    stored = Stored("f", 0, "v", metadata.encode(Attributes(mtime_ns=far)), 7)
    assert metadata.describe(b"f", stored).kept_mtime_ns == far


def test_the_time_that_rclone_wrote_is_understood():
    info = metadata.describe(b"f", Stored("f", 1, "v", {"mtime": "1600000000.123456789"}, 5))
    assert info.kept_mtime_ns == 1_600_000_000_123_456_789


def test_no_more_is_fetched_ahead_than_may_be_held():
    asked = []

    class Now:
        def submit(self, function, *arguments):
            asked.append(arguments[0])
            return type("Done", (), {"result": lambda self: arguments[0], "cancel": lambda self: True})()

    get = lambda path, most: path  # noqa: E731
    ahead = ReadAhead(get, partial(Now().submit, get))
    ahead.expect([b"%d" % number for number in range(100)], 16 << 20)
    assert len(asked) == 4
    assert ahead.take(b"0", 16 << 20) == b"0" and len(asked) == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *[("7", 7), ("1.5", 1.5), ("0", 1), ("-3", 1), ("1e9", 3600), ("inf", 3600)],
        *[("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600)],
        *[("nan", None), ("soon", None), ("", None), (None, None)],
    ],
)
def test_the_pace_a_service_asks_for_is_a_number_of_seconds(header, seconds):
    assert retry_after_seconds(header) == seconds
