"""The witness itself: it sees every difference, and only differences."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.planting import LONG_AGO_NS, plant

COMPARE = Path(__file__).with_name("compare.py")


@pytest.fixture
def trees(tmp_path):
    """Two copies of one tree."""
    source = tmp_path / "source"
    plant(source, b"directory/file")
    plant(source, b"not \xff UTF-8\n")
    (source / "empty").mkdir()
    (source / "link").symlink_to("directory")
    subprocess.run(["cp", "-a", str(source), str(tmp_path / "sink")], check=True)
    return source, tmp_path / "sink"


def compare(*arguments):
    done = subprocess.run([sys.executable, str(COMPARE), *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_equal_trees_are_the_same(trees):
    assert compare(*trees) == (0, "the same\n")


@pytest.mark.parametrize(
    ("damage", "seen"),
    {
        "a bit": (lambda sink: plant(sink, b"directory/file", b"contents"[:-1].upper()), "sha256"),
        "a length": (lambda sink: plant(sink, b"directory/file", b"longer than before"), "size"),
        "a mode": (lambda sink: (sink / "directory/file").chmod(0o600), "mode"),
        "a nanosecond": (lambda sink: os.utime(sink / "directory/file", ns=(0, LONG_AGO_NS + 1)), "mtime_ns"),
        "a directory's time": (lambda sink: os.utime(sink / "empty", ns=(0, 0)), "mtime_ns"),
        "the root's mode": (lambda sink: sink.chmod(0o700), "b'.': mode"),
        "a name": (lambda sink: os.rename(sink / "empty", sink / "Empty"), "only at the sink"),
        "a missing directory": (lambda sink: (sink / "empty").rmdir(), "b'empty': only at the source"),
        "a link's target": (lambda sink: relink(sink, "elsewhere"), "target"),
        "a link followed": (lambda sink: follow(sink), "type"),
        "an addition": (lambda sink: plant(sink, b"\xff"), r"b'\xff': only at the sink"),
    }.values(),
)
def test_a_difference_is_seen(trees, damage, seen):
    damage(trees[1])
    code, out = compare(*trees)
    assert code == 1 and seen in out


def test_the_root_itself_can_be_left_out(trees):
    trees[1].chmod(0o700)
    assert compare("--without-root", *trees)[0] == 0


def relink(sink, target):
    (sink / "link").unlink()
    (sink / "link").symlink_to(target)


def follow(sink):
    (sink / "link").unlink()
    shutil.copytree(sink / "directory", sink / "link")
