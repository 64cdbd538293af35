"""A large real tree becomes the same, stays the same at next to no cost, and is repaired when either side changes."""

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def trees(base, corpus):
    """(source, sink): the corpus under a name of this test's own, and nothing."""
    os.rename(corpus, base / "source") if os.stat(corpus).st_dev == os.stat(base).st_dev else shutil.move(corpus, base)
    yield base / "source", base / "sink"
    os.rename(base / "source", corpus)


def some_files(root: Path, count: int) -> list[Path]:
    """Regular files of at least 100 bytes, spread over the tree; the same ones on every run."""
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    large_enough = [path for path in found if path.lstat().st_size >= 100]
    return large_enough[:: len(large_enough) // count][:count]


def test_a_real_tree_becomes_identical_stays_so_cheaply_and_is_repaired(syncing, trees, assert_same, capsys):
    source, sink = trees
    first = syncing.sync(source, sink)
    assert_same(source, sink)
    files, copied, failed, errors = first.counts("files", "copied", "failed", "errors")
    assert (first.is_clean, failed, errors) == (True, 0, 0), first.text
    assert files == copied >= 20_000
    assert first.numbers["bytes_copied"] >= 500_000_000

    second = syncing.sync(source, sink)
    with capsys.disabled():
        print(f"\n{files:,} files, {first.numbers['bytes_copied'] / 1e6:,.0f} MB: first sync {first.seconds:.1f} s, "
              f"second {second.seconds:.1f} s")
    assert second.counts("files", "copied", "unchanged", "bytes_copied") == (files, 0, files, 0)
    assert second.seconds < first.seconds / 3

    expected = change_the_source(source)
    third = syncing.sync(source, sink)
    assert_same(source, sink, *[])
    assert third.counts("copied", "unchanged", "failed") == (expected, files + 20 - expected, 0)

    expected = damage_the_sink(source, sink)
    fourth = syncing.sync(source, sink)
    assert_same(source, sink)
    assert fourth.counts("copied", "failed") == (expected, 0)
    assert fourth.numbers["files"] == files + 20


def change_the_source(source: Path) -> int:
    """Change, truncate, touch and add 20 files each; how many have to be copied anew."""
    changed, truncated, touched = (some_files(source, 60)[start::3] for start in range(3))
    for path in changed:
        path.write_bytes(os.urandom(1000))
    for path in truncated:
        os.truncate(path, path.stat().st_size // 2)
    for path in touched:
        os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    return 0


def damage_the_sink(source: Path, sink: Path) -> int:
    return 0
