"""What a process that copies a big file holds in memory at most is what docs/storages.md says, whatever the size."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance import clouds
from tests.acceptance.processes import ROOT

MIB = 1 << 20
SIZE = 160 * MIB + 12_345
ITSELF = 70 * MIB
"""Any process of a sync that copies nothing: a worker has half of that, the scheduler, with Django, up to all of it."""
UP = {"s3": (4 + 2) * 8 * MIB, "azure": (4 + 2) * 8 * MIB, "gcs": (1 + 2) * 16 * MIB, "sftp": 22 * MIB}
"""Parts in flight and two more; over SFTP what is read back and the packets, too."""
DOWN = {"s3": 4 * 8 * MIB, "azure": 4 * 8 * MIB, "gcs": 4 * 8 * MIB, "sftp": 4 * MIB}
"""Ranges that are asked for ahead."""
ON_THE_WAY = 3 * 8 * MIB
"""Parts of the file on the disk: being read, hashed and written."""


@pytest.fixture
def places(tmp_path):
    with clouds.storages(tmp_path) as variables:
        yield variables


@pytest.mark.parametrize("kind", UP)
def test_a_worker_holds_the_parts_in_flight_and_two_more(product, places, kind):
    source, back = product.base / "source", product.base / "back"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(SIZE))
    up = peak_of_workers(product, places, source, f"{kind}:sink")
    down = peak_of_workers(product, places, f"{kind}:sink", back)
    assert (back / "big").read_bytes() == (source / "big").read_bytes()
    assert up <= ITSELF + UP[kind], f"{up / MIB:.0f} MiB up"
    assert down <= ITSELF + DOWN[kind] + ON_THE_WAY, f"{down / MIB:.0f} MiB down"


def peak_of_workers(product, places, source, sink):
    """Bytes of the largest process of a sync but for the command itself: workers and the scheduler."""
    command = [sys.executable, str(ROOT / "manage.py"), "sync", "--json", str(source), str(sink)]
    peaks = {}
    with subprocess.Popen(command, env={**product.environment, **places}, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            for pid in below(process.pid):
                with suppress(OSError, StopIteration):
                    peaks[pid] = peak(pid)
            time.sleep(0.01)
        assert process.returncode == 0
        assert json.loads(process.stdout.read().splitlines()[-1])["copied"] == 1
    return max(peaks.values())


def below(pid):
    """Children and theirs."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
