"""SIGKILL in the middle of a part, and what the next process sends."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage_backends.gcs.storage import PART_BYTES
from tests.conformance.storage.places import content

UPLOADER = Path(__file__).with_name("uploader.py")
ROOT = Path(__file__).resolve().parents[3]
PARTS = 5


@pytest.fixture
def file(tmp_path):
    """Five parts, the last one shorter."""
    file = tmp_path / "file"
    file.write_bytes(random.Random(5).randbytes((PARTS - 1) * PART_BYTES + PART_BYTES // 2))
    return file


@pytest.fixture
def start(gcs_url, file, tmp_path):
    """Starts the process that uploads it; the same token for each."""

    def start():
        return subprocess.Popen(
            [sys.executable, UPLOADER, gcs_url, file, tmp_path / "token"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize(
    ("killed_in", "held"), [(0, []), (2, [0, 1]), (PARTS - 1, [0, 1, 2, 3])], ids=["first", "third", "last"]
)
def test_a_process_that_is_killed_within_a_part_leaves_the_whole_parts_to_the_next(
    gcs, strict_gcs, start, file, killed_in, held
):
    with start() as doomed:
        enough = killed_in * PART_BYTES + PART_BYTES // 4

        def kills(total):
            if total > enough:
                os.kill(doomed.pid, signal.SIGKILL)
            return total > enough

        strict_gcs.cuts = kills
        assert doomed.wait(60) == -signal.SIGKILL
        assert doomed.stdout.read() == "held\n"
    strict_gcs.cuts = lambda total: False
    assert not gcs.file_exists(b"f")
    before, size = strict_gcs.received_bytes, file.stat().st_size
    with start() as successor:
        said, _ = successor.communicate(timeout=60)
    assert successor.returncode == 0
    assert said.split()[1:] == [str(number) for number in held]
    remaining = size - killed_in * PART_BYTES
    assert strict_gcs.received_bytes - before <= remaining * 1.1
    assert content(gcs, b"f") == file.read_bytes()


def test_a_process_that_is_killed_before_it_can_tell_of_its_commit_does_not_send_again(gcs, strict_gcs, start, file):
    with start() as first:
        assert first.wait(60) == 0
    before = strict_gcs.received_bytes
    with start() as second:
        said, _ = second.communicate(timeout=60)
    assert said == f"already committed {file.stat().st_size}\n"
    assert strict_gcs.received_bytes == before
