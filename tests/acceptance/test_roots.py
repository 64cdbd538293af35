"""A disk that is not mounted is neither an emptied source nor a fresh sink: nothing is touched until it is back."""

import os
import subprocess
from contextlib import ExitStack

import pytest

from tests.acceptance.planting import plant, snapshot
from tests.acceptance.processes import eventually


class Disk:
    """A file system that can be taken away from a directory and be put back with all that it holds."""

    def __init__(self, attic, directory):
        self._attic, self.directory = attic, directory
        attic.mkdir()
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "syncf-test", str(attic)], check=True)
        self._on = False

    def mount(self):
        subprocess.run(["mount", "--bind", str(self._attic), str(self.directory)], check=True)
        self._on = True

    def unmount(self):
        command = ["umount", str(self.directory)]  # refused while a scan that is under way has it open
        eventually(lambda: subprocess.run(command, capture_output=True).returncode == 0, 10, "the unmount")
        self._on = False

    def close(self):
        if self._on:
            self.unmount()
        subprocess.run(["umount", str(self._attic)], check=True)


def may_mount():
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="mounting needs root with CAP_SYS_ADMIN")


@pytest.fixture
def disk(base):
    """Makes Disks."""
    with ExitStack() as stack:

        def make(directory):
            made = Disk(base / f"{directory.name} attic", directory)
            stack.callback(made.close)
            made.mount()
            return made

        yield make


@pytest.fixture
def trees(base):
    """(source, sink)"""
    return base / "source", base / "sink"


def test_an_unmounted_source_is_not_an_emptied_one(syncing, trees, disk, assert_same):
    source, sink = trees
    mounted = disk(source)
    for name in (b"a", b"b", b"directory/c"):
        plant(source, name)
    assert syncing.sync(source, sink).is_clean
    before = snapshot(sink)

    mounted.unmount()
    outcome = syncing.sync(source, sink)
    assert not outcome.is_clean
    assert outcome.numbers["error"] == "ROOT_CHANGED"
    assert snapshot(sink) == before
    assert {row["gone_at"] for row in syncing.tasks().values()} == {None}

    mounted.mount()
    plant(source, b"new")
    outcome = syncing.sync(source, sink)
    assert outcome.is_clean, outcome.text
    assert outcome.counts("copied", "unchanged", "gone") == (1, 3, 0)
    assert_same(source, sink)


def test_an_unmounted_sink_is_not_filled_below_its_mount_point(syncing, trees, disk, assert_same):
    source, sink = trees
    mounted = disk(sink)
    plant(source, b"directory/a")
    assert syncing.sync(source, sink).is_clean

    mounted.unmount()
    plant(source, b"new")
    outcome = syncing.sync(source, sink)
    assert outcome.numbers["error"] == "ROOT_CHANGED"
    assert list(sink.iterdir()) == []

    mounted.mount()
    outcome = syncing.sync(source, sink)
    assert outcome.counts("copied", "unchanged") == (1, 1)
    assert_same(source, sink)


def test_a_job_goes_on_by_itself_when_the_disk_is_back(product, disk, assert_same):
    source, sink = product.base / "source", product.base / "sink"
    mounted = disk(source)
    plant(source, b"a")
    job = product.create_job("source", "sink", interval=1)
    product.start_scheduler()
    product.start_slave()
    eventually(lambda: product.statuses(job) == {"completed": 2}, 30, "the first scan's tasks")

    mounted.unmount()
    eventually(lambda: product.job(job)["parked_code"] == "ROOT_CHANGED", 30, "the job to be parked")
    assert (sink / "a").exists()
    mounted.mount()
    plant(source, b"b")
    eventually(lambda: product.job(job)["parked_code"] == "", 90, "the job to be taken up again")
    eventually(lambda: product.statuses(job) == {"completed": 3}, 30, "the new file")
    assert_same(source, sink)


def test_a_source_that_is_gone_altogether_changes_nothing(product, assert_same):
    source, sink = product.base / "source", product.base / "sink"
    plant(source, b"a")
    job = product.create_job("source", "sink", interval=1)
    product.start_scheduler()
    product.start_slave()
    eventually(lambda: product.statuses(job) == {"completed": 2}, 30, "the first scan's tasks")

    source.rename(product.base / "elsewhere")
    query = "SELECT error_text FROM jobs_scan WHERE error_code = 'ROOT_MISSING'"
    assert "source" in eventually(lambda: product.value(query), 30, "a scan to miss the root")
    assert (sink / "a").exists()
    assert product.value("SELECT count(*) AS n FROM jobs_task WHERE gone_at IS NOT NULL") == 0
