"""A sink without room parks its job, which says what to do, burns no attempt, and goes on by itself. And sinks that
refuse for another reason, on real file systems (tests/unit/engine/test_sink_trouble.py has all of them)."""

import subprocess
import sys
import time

import pytest

from tests.acceptance.faults import (
    MIB,
    assert_no_upload_is_remembered,
    assert_same_files,
    fill,
    fill_many,
    one_stack_is_enough,
)
from tests.acceptance.processes import eventually
from tests.acceptance.syncing import json_of
from tests.acceptance.test_roots import may_mount

pytestmark = [one_stack_is_enough, pytest.mark.skipif(not may_mount(), reason="mounting needs root")]

DISK = 24 * MIB
QUICKLY = """
import sys
from django.core.management import execute_from_command_line
import os; os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings"
import django; django.setup()
from jobs import parking
from transfers.slave import settling
parking.ROOM_SECONDS = settling.PATIENCE_SECONDS = 1.0
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@pytest.fixture
def small_disk(product, tmp_path):
    """(sink on a file system of 24 MiB, a file there that takes most of it)."""
    image, where = tmp_path / "image", product.base / "disk"
    with image.open("wb") as file:
        file.truncate(DISK)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    fill(where / "balloon", 12 * MIB)
    yield where / "sink", where / "balloon"
    subprocess.run(["umount", "--lazy", str(where)], check=True)  # whoever still has it open is ended after this


@pytest.fixture
def ext4(tmp_path):
    """A file system of its own for a sink."""
    image, where = tmp_path / "sink.image", tmp_path / "ext4"
    with image.open("wb") as file:
        file.truncate(DISK)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_an_immutable_file_and_a_read_only_mount_are_named_and_mended_by_the_next_sync(oneshot, tmp_path, ext4):
    source, sink = tmp_path / "source", ext4 / "sink"
    for name in ("fixed", "free"):
        fill(source / name, 3000)
    assert oneshot.run(source, sink).code == 0
    for name in ("fixed", "free"):
        fill(source / name, 4000)
    subprocess.run(["chattr", "+i", str(sink / "fixed")], check=True)
    ended = oneshot.run(source, sink)
    assert ended.code == 1
    [said] = [line for line in ended.err.splitlines() if "not copied" in line]
    assert "fixed: SINK_PERMISSION_DENIED" in said and "flags (lsattr)" in said
    assert (sink / "free").read_bytes() == (source / "free").read_bytes()

    subprocess.run(["chattr", "-i", str(sink / "fixed")], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(ext4)], check=True)
    ended = oneshot.run(source, sink)
    assert ended.code == 1
    assert "fixed: SINK_READ_ONLY" in ended.err and "remount it writable" in ended.err
    subprocess.run(["mount", "-o", "remount,rw", str(ext4)], check=True)
    assert oneshot.run(source, sink).code == 0
    assert_same_files(source, sink)


def start(product):
    """Scheduler and slave that look for room every second."""
    for command in (("runscheduler",), ("runslave", "slave-001", "--concurrency", "2")):
        product.processes.start([sys.executable, "-c", QUICKLY, *command], product.environment)


def claims(product):
    """How often anything was claimed."""
    return product.value("SELECT sum(epoch) FROM jobs_task")


def test_a_full_sink_parks_its_job_which_goes_on_once_there_is_room(product, small_disk):
    source, (sink, balloon) = product.base / "source", small_disk
    for name in ("one", "two", "three"):
        fill(source / name, 5 * MIB)
    fill_many(source / "many", 50, 5_000)
    job = product.create_job("source", "disk/sink")
    start(product)
    eventually(lambda: product.job(job)["parked_code"] == "SINK_NO_SPACE", 30, "the job to be parked")
    text = product.job(job)["parked_text"]
    assert "local:disk/sink is full" in text and "are free. Make room" in text
    free = int(text.partition(" bytes, ")[2].partition(" are free")[0].replace(",", ""))
    assert free < 5 * MIB

    eventually(lambda: "in_progress" not in product.statuses(job), 10, "the last one to be given back")
    before, end = claims(product), time.monotonic() + 3
    while time.monotonic() < end:  # three times the pause between two looks
        assert product.job(job)["parked_code"] == "SINK_NO_SPACE"
        time.sleep(0.2)
    assert claims(product) == before, "something was tried again on a sink without room"
    assert product.value("SELECT max(attempts) FROM jobs_task WHERE status <> 'completed'") == 0

    balloon.unlink()
    product.wait_for_job(job)
    assert_same_files(source, sink)
    assert_no_upload_is_remembered(product)
    assert product.job(job)["parked_code"] == ""
    parked = product.rows("SELECT action FROM jobs_jobevent WHERE action IN ('park', 'unpark') ORDER BY id")
    assert [row["action"] for row in parked] == ["park", "unpark"] * (len(parked) // 2)
    assert len(parked) <= 6
    assert product.value("SELECT max(attempts) FROM jobs_task WHERE kind = 'file'") == 1


def test_a_one_shot_sync_ends_and_says_so(oneshot, tmp_path):
    source, where = tmp_path / "source", tmp_path / "disk"
    fill(source / "big", 3 * MIB)
    fill(source / "small", 1000)
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "syncf-test", str(where)], check=True)
    try:
        ended = oneshot.run(source, where / "sink")
        assert ended.code == 1
        assert "SINK_NO_SPACE" in ended.err and "Make room" in ended.err and "free" in ended.err
        assert "by itself" not in ended.err and "run the same command again" in ended.err
        subprocess.run(["mount", "-o", "remount,size=4m", str(where)], check=True)
        assert oneshot.run(source, where / "sink").code == 0, "it did not try again what found no room a moment ago"
        assert_same_files(source, where / "sink")
    finally:
        subprocess.run(["umount", str(where)], check=True)


def test_a_one_shot_sync_copies_what_fits_and_names_what_does_not(oneshot, tmp_path, ext4):
    source, sink = tmp_path / "source", ext4 / "sink"
    fill(source / "a-big", 2 * DISK)
    fill(source / "b-bigger", 3 * DISK)
    fill(source / "c", 2 * MIB)
    fill_many(source / "many", 50, 5_000)
    ended = oneshot.run(source, sink, "--json")
    assert ended.code == 1
    assert sorted(path.name for path in sink.iterdir()) == ["c", "many"], "a file that can't fit was begun"
    (source / "a-big").rename(tmp_path / "a-big")
    (source / "b-bigger").rename(tmp_path / "b-bigger")
    assert_same_files(source, sink)
    numbers = json_of(ended)
    assert (numbers["copied"], numbers["failed"]) == (51, 2)
    refused = [line for line in ended.err.splitlines() if "not copied" in line]
    assert any(f"{3 * DISK:,} bytes" in line for line in refused), ended.err
    assert all("SINK_NO_SPACE" in line and "are free" in line for line in refused) and len(refused) == 2
    either = (f"a-big needs {2 * DISK:,} bytes", f"b-bigger needs {3 * DISK:,} bytes")  # whichever was refused last
    assert any(named in ended.err for named in either) and "Make room" in ended.err


def test_files_that_fit_are_copied_though_a_big_one_does_not_and_it_is_not_tried_all_the_time(product, small_disk):
    source, (sink, _) = product.base / "source", small_disk
    fill(source / "a-big", 2 * DISK)
    fill_many(source / "many", 50, 5_000)
    job = product.create_job("source", "disk/sink")
    start(product)
    eventually(lambda: product.statuses(job).get("completed", 0) >= 50, 30, "the small ones to arrive")
    eventually(lambda: product.job(job)["parked_code"] == "SINK_NO_SPACE", 30, "the job to be parked")
    before, end = claims(product), time.monotonic() + 3
    while time.monotonic() < end:
        time.sleep(0.2)
    assert claims(product) == before, "it was tried again on a sink without room"
    assert product.value("SELECT max(attempts) FROM jobs_task WHERE status <> 'completed'") == 0

    fill(source / "later", 3_000)
    product.steer("run_now", job)
    eventually(lambda: (sink / "later").exists(), 30, "a small file that came later to arrive")
    eventually(lambda: product.job(job)["parked_code"] == "SINK_NO_SPACE", 30, "the job to be parked again")
