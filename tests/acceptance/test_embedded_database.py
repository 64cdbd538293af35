"""SQLite under several processes, and on a disk that fills up: nobody gives up, and nothing that was said is lost."""

import os
import sqlite3
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.acceptance.faults import MIB, assert_no_upload_is_remembered, assert_same_files, fill, fill_many
from tests.acceptance.processes import ORPHAN_SECONDS, Processes, eventually
from tests.acceptance.product import Product
from tests.acceptance.test_roots import may_mount
from tests.support import stack
from tests.support.databases import migrate

pytestmark = pytest.mark.skipif(stack.is_postgres(), reason="about the embedded database")

FILES = 4000


def test_four_slave_processes_share_one_file_and_none_ever_finds_it_locked(product):
    source = product.base / "source"
    fill_many(source / "many", FILES, 100)
    for number in range(4):
        fill(source / f"big{number}", 3 * MIB)
    jobs = [product.create_job("source", f"sink{number}") for number in range(2)]
    running = [product.start_scheduler()]
    running += [product.start_slave(f"slave-{number:03}") for number in range(4)]
    for job in jobs:
        product.wait_for_job(job, seconds=120)
    for number in range(2):
        assert_same_files(source, product.base / f"sink{number}")
    workers = "SELECT count(DISTINCT slave_name) FROM jobs_task WHERE slave_name <> ''"
    assert product.value(workers) == 4
    assert [process.code for process in running] == [None] * 5
    assert [process.name for process in running if "locked" in process.err or "Traceback" in process.err] == []


@pytest.fixture
def product_on_a_small_disk(tmp_path):
    """(the product, a directory on the 8 MiB where its database lies)."""
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "syncf-test", str(where)], check=True)
    try:
        url = f"sqlite:///{where / 'database.sqlite3'}"
        migrate(url)
        with Processes(tmp_path / "logs") as processes:
            product = Product(processes, database_url=url, base=tmp_path / "base")
            yield product, where
        product.close()
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.mark.skipif(not may_mount(), reason="mounting needs root")
def test_a_full_disk_under_the_database_is_waited_out(product_on_a_small_disk):
    product, disk = product_on_a_small_disk
    fill_many(product.base / "source" / "many", 1500, 1000)
    fill(product.base / "source" / "big", 4 * MIB)
    job = product.create_job("source", "sink", bytes_per_second=MIB)
    running = [product.start_scheduler(), product.start_slave("slave-001")]
    eventually(lambda: product.statuses(job).get("completed", 0) > 0, 30, "the first files")

    balloon = disk / "balloon"
    with balloon.open("wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        os.fsync(file.fileno())
        eventually(lambda: all("full" in process.err for process in running), 30, "both to meet it")
    balloon.unlink()
    product.steer("update_options", job, bytes_per_second=None)
    product.wait_for_job(job, seconds=90)
    assert [process.code for process in running] == [None, None]
    assert product.value("SELECT count(*) FROM jobs_slave") == 1, "the slave gave up instead of waiting"
    assert_same_files(product.base / "source", product.base / "sink")
    assert_no_upload_is_remembered(product)


def test_whoever_meets_a_damaged_page_ends_with_one_line_and_leaves_no_worker(product):
    fill_many(product.base / "source" / "many", 2000, 10)
    job = product.create_job("source", "sink")
    assert product.start_scheduler("--once").wait(60) == 0
    product.steer("run_now", job)
    product.close()
    file = Path(unquote(product.environment["DATABASE_URL"].removeprefix("sqlite:///")))
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with file.open("r+b") as written:  # what every start reads is in the first half
        half = file.stat().st_size // 4096 // 2 * 4096
        written.seek(half)
        written.write(os.urandom(file.stat().st_size - half))
    for running in (product.start_scheduler(), product.start_slave("slave-001")):
        assert running.wait(30) == 2, running.err
        assert running.err.count(f"DATABASE_URL: the database {file} is damaged") == 1, running.err
        assert "Traceback" not in running.err, running.err
    eventually(lambda: not product.processes.alive(), ORPHAN_SECONDS, "their workers to end")
