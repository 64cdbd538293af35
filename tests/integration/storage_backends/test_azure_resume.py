"""SIGKILL in the middle of a part, and what the next process sends, counted at a proxy."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage_backends.azure.storage import CAPABILITIES
from storage_backends.registry import open_storage
from tests.conformance.storage.places import content
from tests.servers.cloud import AZURITE_KEY
from tests.support.azure import azurite_port, storage_url
from tests.support.counting_proxy import CountingProxy

UPLOADER = Path(__file__).with_name("uploader.py")
ROOT = Path(__file__).resolve().parents[3]
PARTS, PART_BYTES = 5, CAPABILITIES.preferred_part_bytes


@pytest.fixture
def proxy():
    with CountingProxy(azurite_port()) as proxy:
        yield proxy


@pytest.fixture
def file(tmp_path):
    """Five parts, the last one shorter."""
    file = tmp_path / "file"
    file.write_bytes(random.Random(5).randbytes((PARTS - 1) * PART_BYTES + PART_BYTES // 2))
    return file


@pytest.fixture
def start(proxy, azure_container, file, tmp_path, monkeypatch):
    """Starts the process that uploads it, part by part; the same token for each."""
    monkeypatch.setenv("AZURE_STORAGE_KEY", AZURITE_KEY)

    def start():
        return subprocess.Popen(
            [sys.executable, UPLOADER, storage_url(azure_container, proxy.port), file, tmp_path / "token"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def azure(start, azure_container):
    """Past the proxy."""
    storage = open_storage(storage_url(azure_container, azurite_port()))
    yield storage
    storage.close()


@pytest.mark.parametrize("killed_in", [0, 2, PARTS - 1], ids=["first", "third", "last"])
def test_a_process_that_is_killed_within_a_part_leaves_the_whole_parts_to_the_next(
    azure, proxy, start, file, killed_in
):
    proxy.hold_from = killed_in * PART_BYTES + PART_BYTES // 4
    with start() as doomed:
        assert proxy.holds.wait(60)
        os.kill(doomed.pid, signal.SIGKILL)
        assert doomed.wait(60) == -signal.SIGKILL
    proxy.release()
    assert not azure.file_exists(b"f")
    before = proxy.sent_bytes
    with start() as successor:
        said, _ = successor.communicate(timeout=60)
    assert successor.returncode == 0
    assert said.split()[1:] == [str(number) for number in range(killed_in)]
    assert proxy.sent_bytes - before <= (file.stat().st_size - killed_in * PART_BYTES) * 1.1
    assert content(azure, b"f") == file.read_bytes()


def test_a_process_that_is_killed_before_it_can_tell_of_its_commit_does_not_send_again(azure, proxy, start, file):
    with start() as first:
        assert first.wait(60) == 0
    before = proxy.sent_bytes
    with start() as second:
        said, _ = second.communicate(timeout=60)
    assert said == f"already committed {file.stat().st_size}\n"
    assert proxy.sent_bytes - before < 10_000
