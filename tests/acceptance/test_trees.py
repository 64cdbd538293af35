"""A large real tree becomes the same, stays the same at next to no cost, and is repaired when either side changes."""

import os
import shutil
import stat
from pathlib import Path

from tests.acceptance.corpus import BYTES, FILES, build_corpus

#: How many files each kind of change is done to.
SOME = 20


def test_a_real_tree_becomes_identical_stays_so_cheaply_and_is_repaired(syncing, base, assert_same, capsys):
    source, sink = build_corpus(base / "source"), base / "sink"
    files = count_files(source)

    first = syncing.sync(source, sink)
    assert_same(source, sink)
    assert first.counts("files", "copied", "unchanged", "failed", "errors") == (files, files, 0, 0, 0), first.text
    assert first.is_clean and files >= FILES and first.numbers["bytes_copied"] >= BYTES

    second = syncing.sync(source, sink)
    with capsys.disabled():
        size = first.numbers["bytes_copied"] / 1e6
        print(f"\n{files:,} files, {size:,.0f} MB: synced in {first.seconds:.1f} s, again in {second.seconds:.1f} s")
    assert second.counts("files", "copied", "unchanged", "bytes_copied") == (files, 0, files, 0)
    assert second.seconds < first.seconds / 3

    copied = change_source(source)
    third = syncing.sync(source, sink)
    assert_same(source, sink)
    files += SOME
    assert third.counts("files", "copied", "unchanged", "failed") == (files, copied, files - copied, 0), third.text

    copied = damage_sink(sink)
    fourth = syncing.sync(source, sink)
    assert_same(source, sink)
    assert fourth.counts("files", "copied", "unchanged", "failed") == (files, copied, files - copied, 0), fourth.text


def count_files(root: Path) -> int:
    """Regular files below `root`, links not followed."""
    return sum(stat.S_ISREG(path.lstat().st_mode) for path in root.rglob("*"))


def pick(root: Path, count: int) -> list[Path]:
    """Regular files with one name and 100 to 50,000 bytes, spread over the tree; the same ones on every run."""
    infos = [(path, path.lstat()) for path in sorted(root.rglob("*"))]
    plain = [(path, info) for path, info in infos if stat.S_ISREG(info.st_mode) and info.st_nlink == 1]
    fit = [path for path, info in plain if 100 <= info.st_size < 50_000]
    return fit[:: len(fit) // count][:count]


def change_source(source: Path) -> int:
    """Edit, truncate, touch, chmod and add files; how many have to be sent: touched ones only differ in time."""
    picked = pick(source, 4 * SOME)
    edited, truncated, touched, chmodded = (picked[start::4] for start in range(4))
    for path in edited:
        path.write_bytes(os.urandom(1000))
    for path in truncated:
        os.truncate(path, path.stat().st_size // 2)
    for path in touched:
        os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    for path in chmodded:
        path.chmod(0o640)
    for number, path in enumerate(edited):
        path.with_name(f"added {number}").write_bytes(os.urandom(number))
    return 3 * SOME


def damage_sink(sink: Path) -> int:
    """Delete, edit (half of them with the times put back), chmod; delete a directory. How many have to be sent."""
    picked = pick(sink, 4 * SOME)
    deleted, edited, hidden, chmodded = (picked[start::4] for start in range(4))
    for path in deleted:
        path.unlink()
    for path in edited + hidden:
        info = path.stat()
        flip_a_bit(path)
        if path in hidden:
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    for path in chmodded:
        path.chmod(0o600)
    spared = {parent for path in picked for parent in path.parents}
    lost = next(path for path in sorted(sink.rglob("*")) if path.is_dir() and path not in spared and count_files(path))
    lost_files = count_files(lost)
    shutil.rmtree(lost)
    return 3 * SOME + lost_files


def flip_a_bit(path: Path) -> None:
    """Same length, other content."""
    with path.open("r+b") as file:
        file.seek(50)
        byte = file.read(1)[0]
        file.seek(50)
        file.write(bytes([byte ^ 1]))
