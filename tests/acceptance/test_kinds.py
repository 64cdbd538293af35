"""Modes, links, empty things, special files and files in the place of directories: as root and as an ordinary user."""

import os
import socket

import pytest

from tests.acceptance.people import ourselves
from tests.acceptance.planting import LONG_AGO_NS, hand_over, mode, plant

FILE_MODES = (0o400, 0o444, 0o600, 0o644, 0o755, 0o777)
DIRECTORY_MODES = (0o500, 0o555, 0o700, 0o755, 0o1777)
SPECIAL_BITS = 0o6000


@pytest.fixture(params=["ourselves", "an ordinary user"])
def person(request):
    """Both in turn; the same one twice where the tests themselves are run by an ordinary user."""
    return ourselves() if request.param == "ourselves" else request.getfixturevalue("an_ordinary_person")


as_ordinary_user = pytest.mark.parametrize("person", ["an ordinary user"], indirect=True)
as_ourselves = pytest.mark.parametrize("person", ["ourselves"], indirect=True)


@pytest.fixture
def trees(base):
    """(source, sink); the source exists."""
    (base / "source").mkdir()
    return base / "source", base / "sink"


@pytest.fixture
def sync(syncing, person, trees):
    """Sync the two, after giving the source to whoever runs the product."""

    def run():
        hand_over(trees[0], person)
        return syncing.sync(*trees)

    return run


def test_modes_and_times_arrive_even_where_the_sink_may_not_be_written_afterwards(
    syncing, sync, person, trees, assert_same
):
    source, sink = trees
    for bits in FILE_MODES:
        plant(source, f"file {bits:o}".encode())
    for bits in DIRECTORY_MODES:
        plant(source, f"directory {bits:o}/below/file".encode())
        (source / f"directory {bits:o}/empty").mkdir()
    hand_over(source, person)
    for bits in FILE_MODES:
        (source / f"file {bits:o}").chmod(bits)
    for bits in DIRECTORY_MODES:
        (source / f"directory {bits:o}").chmod(bits)
        os.utime(source / f"directory {bits:o}", ns=(0, LONG_AGO_NS))
    first = syncing.sync(source, sink)
    assert first.is_clean, first.text
    assert_same(source, sink)

    plant(source, b"directory 555/new in a directory that may not be written")
    assert sync().counts("copied", "failed") == (1, 0)
    assert_same(source, sink)


def test_special_bits_arrive_as_root_and_are_dropped_and_told_otherwise(syncing, person, trees, assert_same):
    source, sink = trees
    plant(source, b"setuid")
    plant(source, b"setgid directory/file")
    hand_over(source, person)
    (source / "setuid").chmod(0o4755)
    (source / "setgid directory").chmod(0o2775)
    outcome = syncing.sync(source, sink)
    assert outcome.is_clean, outcome.text
    if person.uid == 0:
        assert_same(source, sink)
    else:
        assert mode(sink / "setuid") == 0o755
        assert mode(sink / "setgid directory") & ~SPECIAL_BITS == 0o775
    assert syncing.sync(source, sink).counts("copied", "unchanged") == (0, 2)


FAR_TIMES_NS = (-1_234_567_890_123_456_789, -1, 0, 5_000_000_000 * 10**9 + 1, 15_000_000_000 * 10**9 + 999_999_999)


@as_ourselves
def test_times_long_ago_and_far_ahead_arrive_to_the_nanosecond(sync, trees, assert_same):
    """The last one, in 2445, is beyond what 64 bits of nanoseconds hold."""
    source, _ = trees
    for number, time_ns in enumerate(FAR_TIMES_NS):
        plant(source, b"small %d" % number, mtime_ns=time_ns)
        plant(source, b"big %d" % number, bytes(2 << 20), mtime_ns=time_ns)
        (source / f"directory {number}").mkdir()
        os.utime(source / f"directory {number}", ns=(0, time_ns))
        (source / f"link {number}").symlink_to("nowhere")
        os.utime(source / f"link {number}", ns=(0, time_ns), follow_symlinks=False)
    assert sync().counts("copied", "failed") == (2 * len(FAR_TIMES_NS), 0)
    assert_same(*trees)
    assert sync().counts("copied", "unchanged") == (0, 2 * len(FAR_TIMES_NS))
    os.utime(source / "small 4", ns=(0, FAR_TIMES_NS[-1] - 10**9))
    assert sync().is_clean
    assert_same(*trees)


@as_ourselves
def test_owners_are_kept_as_root(syncing, person, trees):
    source, sink = trees
    if person.uid != 0:
        pytest.skip("only root can give files away")
    plant(source, b"directory/theirs")
    os.chown(source / "directory/theirs", 1234, 5678)
    os.chown(source / "directory", 4321, 8765)
    assert syncing.sync(source, sink).is_clean
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (sink / "directory/theirs", sink / "directory")]
    assert owners == [(1234, 5678), (4321, 8765)]


@as_ourselves
def test_links_and_empty_things_arrive_and_links_are_never_followed(sync, trees, assert_same):
    source, sink = trees
    plant(source, b"directory/file")
    plant(source, b"empty file", b"")
    (source / "empty/also empty").mkdir(parents=True)
    for name, target in {
        "to a file": "directory/file",
        "to a directory": "directory",
        "absolute": "/etc/passwd",
        "out of here": "../../../../etc",
        "dangling": "nowhere at all",
        "to itself": "to itself",
        "directory/up": "..",
    }.items():
        (source / name).symlink_to(target)
    os.symlink(b"\xff\n", os.fsencode(source / "to bytes"))
    outcome = sync()
    assert outcome.is_clean, outcome.text
    assert outcome.counts("files", "copied") == (2, 2)
    assert_same(source, sink)
    assert sync().counts("files", "copied", "unchanged") == (2, 0, 2)


@as_ourselves
def test_special_files_and_our_own_partials_are_skipped_with_a_reason(syncing, sync, trees):
    source, sink = trees
    reserved = f".syncf-{'0' * 8}-{'1' * 20}-1.part"
    plant(source, b"file")
    plant(source, reserved.encode())
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / "socket"))
        for _ in range(2):
            outcome = sync()
            assert outcome.is_clean, outcome.text
            assert outcome.counts("files", "skipped", "failed") == (1, 3, 0)
    assert [path.name for path in sink.iterdir()] == ["file"]
    tasks = syncing.tasks()
    reasons = {name: (tasks[name]["status"], tasks[name]["reason_code"]) for name in (b"fifo", b"socket")}
    assert reasons == dict.fromkeys((b"fifo", b"socket"), ("skipped", "SPECIAL_FILE"))
    assert tasks[reserved.encode()]["reason_code"] == "RESERVED_NAME"


@as_ourselves
def test_a_directory_where_a_file_was_is_refused_by_name_and_the_rest_goes_on(syncing, sync, trees, assert_same):
    source, sink = trees
    plant(source, b"turns/file", b"once a file")
    assert sync().is_clean
    (source / "turns/file").unlink()
    plant(source, b"turns/file/below", b"now below a directory")
    plant(source, b"other")
    outcome = sync()
    assert not outcome.is_clean
    assert outcome.numbers["copied"] == 1
    assert (sink / "turns/file").read_bytes() == b"once a file"
    assert (sink / "other").exists()
    failed = {path: row for path, row in syncing.tasks().items() if row["status"] == "failed"}
    assert failed[b"turns/file/"]["reason_code"] == "SINK_KIND_CONFLICT"
    assert "turns/file" in outcome.text

    (source / "turns/file/below").unlink()
    (source / "turns/file").rmdir()
    plant(source, b"turns/file", b"a file again")
    assert sync().numbers["failed"] == 0
    assert_same(source, sink)


@as_ourselves
def test_a_file_where_a_directory_was_is_refused_by_name_until_it_is_moved_away(syncing, sync, trees, assert_same):
    source, sink = trees
    plant(source, b"turns/below")
    assert sync().is_clean
    (source / "turns/below").unlink()
    (source / "turns").rmdir()
    plant(source, b"turns", b"a file")
    plant(source, b"other")
    outcome = sync()
    assert outcome.counts("copied", "failed", "gone") == (1, 1, 2)
    assert not outcome.is_clean
    assert syncing.tasks()[b"turns"]["reason_code"] == "SINK_KIND_CONFLICT"
    assert (sink / "turns/below").exists()

    (sink / "turns").rename(sink.parent / "moved away")
    assert sync().is_clean
    assert_same(source, sink)


@as_ordinary_user
def test_what_may_not_be_read_is_named_and_the_rest_goes_on(syncing, person, trees, assert_same):
    source, sink = trees
    plant(source, b"closed file", b"secret")
    plant(source, b"open file")
    plant(source, b"closed directory/below")
    hand_over(source, person)
    assert syncing.sync(source, sink).is_clean

    (source / "closed file").chmod(0)
    (source / "closed directory").chmod(0o311)
    os.utime(source / "closed file", ns=(0, LONG_AGO_NS + 1))
    plant(source, b"another open file")
    hand_over(source, person)
    outcome = syncing.sync(source, sink)
    assert not outcome.is_clean
    assert outcome.counts("copied", "failed", "errors", "gone") == (1, 1, 1, 0)
    assert "closed file" in outcome.text
    tasks = syncing.tasks()
    assert tasks[b"closed file"]["reason_code"] == "SOURCE_PERMISSION_DENIED"
    assert tasks[b"closed directory/below"]["gone_at"] is None
    assert (sink / "closed directory/below").read_bytes() == b"content"

    for name in ("closed file", "closed directory"):
        (source / name).chmod(0o755)
    syncing.sync(source, sink)  # it may say that it could not list the closed directory that it had made at the sink
    assert syncing.sync(source, sink).is_clean
    assert_same(source, sink)


@as_ordinary_user
def test_a_sink_that_may_not_be_written_is_named(syncing, person, trees):
    source, sink = trees
    plant(source, b"file")
    hand_over(source, person)
    sink.mkdir()
    sink.chmod(0o555)
    os.chown(sink, 0 if os.geteuid() == 0 else -1, -1)
    outcome = syncing.sync(source, sink)
    assert not outcome.is_clean
    assert syncing.tasks()[b"file"]["reason_code"] == "SINK_PERMISSION_DENIED"
    assert list(sink.iterdir()) == []
