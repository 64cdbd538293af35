"""What each change at either side leads to at the next scan: the same tree again, and only what must be is sent."""

import os

import pytest

from tests.acceptance.planting import LONG_AGO_NS, plant, read


def edit(path):
    """Other content of the same length, with the times put back."""
    info = path.stat()
    path.write_bytes(path.read_bytes().upper())
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def exchange(path):
    """Another file is renamed to this one's name, as editors do."""
    other = path.with_name(f"{path.name} new")
    plant(path.parent, os.fsencode(other.name), b"CONTENT", mtime_ns=LONG_AGO_NS)
    os.replace(other, path)


def relink(path):
    path.unlink()
    path.symlink_to("elsewhere")


#: What is done to a file at the source, or at the sink, and whether its bytes have to be sent again.
AT_SOURCE = {
    "edited": (lambda path: path.write_bytes(b"something else"), True),
    "edited behind its times": (edit, True),
    "exchanged for one with the same size and time": (exchange, True),
    "truncated": (lambda path: os.truncate(path, 3), True),
    "emptied": (lambda path: os.truncate(path, 0), True),
    "touched": (lambda path: os.utime(path, ns=(0, LONG_AGO_NS + 1)), False),
    "chmod": (lambda path: path.chmod(0o600), False),
    "renamed and back": (lambda path: path.rename(path.with_name("x")).rename(path), False),
}
AT_SINK = {
    "deleted": (lambda path: path.unlink(), True),
    "edited": (lambda path: path.write_bytes(b"damaged"), True),
    "edited behind its times": (edit, True),
    "truncated": (lambda path: os.truncate(path, 3), True),
    "made a link": (relink, True),
    "touched": (lambda path: os.utime(path, ns=(0, 0)), False),
    "chmod": (lambda path: path.chmod(0o777), False),
}


@pytest.fixture
def trees(base):
    """(source, sink)"""
    return base / "source", base / "sink"


def inodes(root, names):
    return {name: (root / name).stat().st_ino for name in names}


@pytest.mark.parametrize(("side", "changes"), [("source", AT_SOURCE), ("sink", AT_SINK)], ids=["source", "sink"])
def test_a_changed_file_is_repaired_and_sent_only_if_its_bytes_differ(syncing, trees, assert_same, side, changes):
    source, sink = trees
    for name in (*changes, "left alone"):
        plant(source, name.encode())
    assert syncing.sync(source, sink).numbers["copied"] == len(changes) + 1
    before = inodes(sink, (*changes, "left alone"))

    for name, (change, _) in changes.items():
        change(source / name if side == "source" else sink / name)
    outcome = syncing.sync(source, sink)
    assert_same(source, sink)
    sent = {name for name, (_, is_sent) in changes.items() if is_sent}
    files = len(changes) + 1
    assert outcome.counts("files", "copied", "unchanged") == (files, len(sent), files - len(sent))
    # A file that is sent is published as a new one; the kernel may give it an inode that has just become free.
    after = inodes(sink, before)
    assert {name for name in before if after[name] != before[name]} <= sent
    assert syncing.sync(source, sink).numbers["copied"] == 0


def test_directories_and_links_are_repaired_on_both_sides(syncing, trees, assert_same):
    source, sink = trees
    for name in ("mode", "time", "mode at the sink", "emptied at the sink/below"):
        plant(source, f"{name}/file".encode())
    for name in ("link", "link at the sink", "link deleted at the sink"):
        (source / name).symlink_to("somewhere")
    (source / "empty").mkdir()
    assert syncing.sync(source, sink).is_clean

    (source / "mode").chmod(0o710)
    os.utime(source / "time", ns=(0, LONG_AGO_NS))
    source.chmod(0o750)
    relink(source / "link")
    (sink / "mode at the sink").chmod(0o777)
    relink(sink / "link at the sink")
    (sink / "link deleted at the sink").unlink()
    (sink / "empty").rmdir()
    for path in ("emptied at the sink/below/file",):
        (sink / path).unlink()
        (sink / path).parent.rmdir()
    outcome = syncing.sync(source, sink)
    assert outcome.is_clean, outcome.text
    assert_same(source, sink)
    assert outcome.counts("files", "copied") == (4, 1)


def test_what_is_gone_from_the_source_stays_at_the_sink_and_is_told_once(syncing, trees, assert_same):
    source, sink = trees
    for name in (b"a", b"directory/b", b"directory/c"):
        plant(source, name)
    assert syncing.sync(source, sink).is_clean

    (source / "directory").rename(source.parent / "elsewhere")
    first, second = syncing.sync(source, sink), syncing.sync(source, sink)
    assert first.is_clean and second.is_clean
    assert first.counts("files", "gone") == (1, 3)
    assert second.counts("files", "gone") == (1, 0)
    assert read(sink, b"directory/b") == b"content"

    (source.parent / "elsewhere").rename(source / "directory")
    third = syncing.sync(source, sink)
    assert third.counts("files", "copied", "unchanged") == (3, 0, 3)
    assert_same(source, sink)


def test_what_failed_and_is_then_gone_is_told_once_too(syncing, trees):
    source, sink = trees
    plant(source, b"directory/file")
    plant(sink, b"directory", b"a file where a directory belongs")
    assert syncing.sync(source, sink).counts("files", "failed") == (1, 1)

    (source / "directory/file").unlink()
    (source / "directory").rmdir()
    assert syncing.sync(source, sink).counts("files", "failed", "gone") == (0, 0, 2)
    assert syncing.sync(source, sink).counts("files", "failed", "gone") == (0, 0, 0)


def test_what_only_the_sink_has_is_left_alone(syncing, trees, assert_same):
    source, sink = trees
    plant(source, b"directory/ours")
    plant(sink, b"directory/theirs", b"theirs")
    plant(sink, b"also/theirs", b"theirs")
    assert syncing.sync(source, sink).counts("files", "copied", "gone") == (1, 1, 0)
    assert read(sink, b"directory/theirs") == read(sink, b"also/theirs") == b"theirs"


def test_a_first_sync_over_the_same_data_sends_nothing_and_mends_modes_and_times(syncing, trees, assert_same):
    source, sink = trees
    for number in range(5):
        plant(source, f"directory/{number}".encode(), b"%d" % number)
        plant(sink, f"directory/{number}".encode(), b"%d" % number, mtime_ns=0)
    plant(source, b"differs", b"this")
    plant(sink, b"differs", b"that")
    (sink / "directory/0").chmod(0o600)
    outcome = syncing.sync(source, sink)
    assert outcome.counts("files", "copied", "unchanged", "bytes_copied") == (6, 1, 5, 4)
    assert_same(source, sink)
