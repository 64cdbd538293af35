"""Before a scan looks at anything else, it looks at where the two roots lie."""

import shutil

import pytest

from jobs import scans
from jobs.models import Job, JobEvent, Scan, Task
from storage_backends.local.storage import LocalStorage
from tests.integration.scan.tree import MACHINE, counts, locked
from tests.unit.jobs import builders


def state() -> tuple[str, str]:
    return Job.objects.values_list("status", "parked_code").get()


def ended(scan: Scan) -> tuple[str, str]:
    return scan.phase, scan.error_code


def test_the_first_scan_remembers_where_the_roots_lie_and_on_which_machine(tree):
    tree.scan()
    job = Job.objects.get()
    assert job.machine_id == MACHINE and job.source_device and job.sink_device


def test_shared_storages_bind_a_job_to_no_machine(tree, settings):
    settings.STORAGES_CONFIGURED = {"local": settings.STORAGES_CONFIGURED["local"] + "?shared=1"}
    tree.scan()
    assert Job.objects.get().machine_id == ""


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("is_missing", [False, True])
def test_an_empty_or_missing_root_on_another_device_is_an_unmounted_disk_and_parks_the_job(tree, side, is_missing):
    tree.write("a")
    tree.settle_scan()
    root = getattr(tree, side)
    shutil.rmtree(root)
    if not is_missing:
        root.mkdir()
    Job.objects.update(**{f"{side}_device": "the disk"})
    scan = tree.scan()
    assert ended(scan) == ("failed", "ROOT_CHANGED") and state() == ("running", "ROOT_CHANGED")
    assert not Task.objects.filter(gone_at__isnull=False).exists()
    assert builders.claim(builders.new_slave(), tree.job) == []
    assert root.exists() != is_missing, "nothing was made where the disk belongs"


def test_a_new_disk_counts_once_somebody_has_put_a_file_on_it(tree):
    tree.write("a")
    tree.settle_scan()
    shutil.rmtree(tree.sink)
    tree.sink.mkdir()
    Job.objects.update(sink_device="the old disk")
    assert "put a file into that directory" in tree.scan().error_text
    (tree.sink / "anything").touch()
    assert ended(tree.scan()) == ("finished", "") and state() == ("running", "")
    assert Task.objects.filter(status="pending", path=b"a").exists()


def test_a_source_that_is_taken_away_after_it_was_looked_at_is_not_an_emptied_one(tree, monkeypatch):
    """What the scan looked at is open, and that is what it lists, and where it says that the root lies."""
    tree.write("a")
    tree.settle_scan()
    device = Job.objects.get().source_device

    def take_away(job):
        tree.source.rename(tree.source.with_name("away"))
        tree.source.mkdir()
        monkeypatch.setattr(LocalStorage, "root_identity", elsewhere)

    real = LocalStorage.root_identity

    def elsewhere(storage):
        return real(storage)._replace(device="the mount point's")

    monkeypatch.setattr("transfers.scan.perform.parking.roots_are_in_order", take_away)
    assert ended(tree.scan()) == ("finished", "")
    assert not Task.objects.filter(gone_at__isnull=False).exists()
    assert Job.objects.get().source_device == device


@pytest.mark.parametrize("looks", [2, 3])
def test_a_sink_on_another_device_than_when_it_was_looked_at_parks_the_job(tree, monkeypatch, looks):
    tree.settle_scan()
    looked, real = [], LocalStorage.root_identity

    def look(storage):
        looked.append(storage)
        return real(storage)._replace(device="the mount point's" if len(looked) == looks else real(storage).device)

    monkeypatch.setattr(LocalStorage, "root_identity", look)
    assert ended(tree.scan()) == ("failed", "ROOT_CHANGED") and state() == ("running", "ROOT_CHANGED")


def test_a_scan_looks_at_each_root_once(tree, monkeypatch):
    """Far away every look takes its time."""
    looked, real = [], LocalStorage.root_identity
    monkeypatch.setattr(LocalStorage, "root_identity", lambda storage: looked.append(storage) or real(storage))
    monkeypatch.setattr(LocalStorage, "presumed_identity", real)
    assert ended(tree.scan()) == ("finished", "")
    assert len(looked) == 2


def test_a_parked_job_goes_on_when_the_disk_is_back(tree):
    tree.write("a")
    tree.scan()
    Job.objects.update(source_device="the disk", parked_code="ROOT_CHANGED")
    assert ended(tree.scan()) == ("finished", "")
    assert state() == ("running", "") and JobEvent.objects.filter(action="unpark").count() == 1


def test_a_directory_that_was_emptied_on_the_same_device_is_believed(tree):
    tree.write("a").unlink()
    tree.write("b")
    tree.settle_scan()
    (tree.source / "b").unlink()
    assert counts(tree.scan()) == {"gone": 1}


def test_a_source_that_is_missing_fails_the_scan_and_nothing_is_gone(tree):
    tree.write("a")
    tree.settle_scan()
    tree.source.rename(tree.source.parent / "away")
    assert ended(tree.scan()) == ("failed", "ROOT_MISSING")
    assert not Task.objects.filter(gone_at__isnull=False).exists()


def test_a_sink_that_became_a_link_is_not_followed(tree):
    tree.scan()
    shutil.rmtree(tree.sink)
    tree.sink.symlink_to(tree.source)
    assert ended(tree.scan()) == ("failed", "SINK_SYMLINK_REFUSED")
    assert list(tree.source.iterdir()) == []


def test_a_sink_moved_into_the_source_meanwhile_fails_the_scan(tree):
    tree.scan()
    tree.write("a")
    Job.objects.update(sink_path="/in/below")
    assert ended(tree.scan()) == ("failed", "PATHS_OVERLAP")


def test_a_sink_of_another_job_fails_the_scan(tree):
    Job.objects.create(source_type="local", source_path="/x", sink_type="local", sink_path="/out/below")
    scan = tree.scan()
    assert ended(scan) == ("failed", "PATHS_OVERLAP") and not tree.sink.exists()


def test_what_goes_wrong_at_the_sink_is_said_of_the_sink(tree):
    tree.sink.write_text("a file where the directory belongs")
    assert ended(tree.scan()) == ("failed", "SINK_KIND_CONFLICT")
    tree.sink.unlink()
    tree.sink.mkdir()
    with locked(tree.sink):
        assert ended(tree.scan()) == ("failed", "SINK_PERMISSION_DENIED")


def test_what_goes_wrong_at_the_source_is_said_of_the_source(tree):
    with locked(tree.source):
        scan = tree.scan()
    assert ended(scan) == ("failed", "SOURCE_PERMISSION_DENIED") and scan.error_text


def test_a_storage_that_is_not_configured_any_more_is_named(tree, settings):
    settings.STORAGES_CONFIGURED = {"other": settings.STORAGES_CONFIGURED["local"]}
    scan = tree.scan()
    assert ended(scan) == ("failed", "UNKNOWN_STORAGE") and "'local'" in scan.error_text


def test_a_failed_scan_is_repeated(tree):
    tree.source.rmdir()
    tree.scan()
    assert Job.objects.get().next_scan_at
    Job.objects.update(next_scan_at="2026-01-01T00:00:00Z")
    assert scans.request_due() == 1
