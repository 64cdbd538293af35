"""No job feeds itself: roots are compared by what they are, not by how they are spelled."""

import os
import subprocess

import pytest

from jobs import services
from jobs.errors import Conflict, Refusal
from jobs.models import Job, JobEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path, settings):
    """Two storages: one directory, and another one that is a link to it."""
    root = tmp_path / "root"
    for name in ("a/inner", "b", "c", "d"):
        (root / name).mkdir(parents=True)
    (tmp_path / "alias").symlink_to(root)
    settings.STORAGES_CONFIGURED = {"local": root.as_uri(), "alias": (tmp_path / "alias").as_uri()}
    return root


def create(source: str, sink: str, *, source_type: str = "local", sink_type: str = "local", **options) -> Job:
    places = {"source_type": source_type, "source_path": source, "sink_type": sink_type, "sink_path": sink}
    return services.create_job(actor="user:ann", **places, **options)


def assert_refused(kind: type[Refusal], code: str, *arguments, **options) -> Refusal:
    before = Job.objects.count(), JobEvent.objects.count()
    with pytest.raises(kind) as refused:
        create(*arguments, **options)
    assert refused.value.code == code
    assert (Job.objects.count(), JobEvent.objects.count()) == before
    return refused.value


@pytest.mark.parametrize(
    ("source", "sink"),
    [("/a", "/a"), ("/a", "/a/"), ("/a", "/a/inner"), ("/a/inner", "/a"), ("/", "/a"), ("/a", "/"), ("/a", "/a/new/x")],
)
def test_a_source_and_a_sink_that_contain_each_other_are_refused(root, source, sink):
    assert assert_refused(Refusal, "PATHS_OVERLAP", source, sink).field == "sink_path"


@pytest.mark.parametrize(("source", "sink"), [("/a", "/b"), ("/a", "/ab"), ("/a/inner", "/a/other"), ("/a", "/new/x")])
def test_directories_beside_each_other_are_fine(root, source, sink):
    create(source, sink)


def test_a_storage_behind_a_link_is_the_same_place(root):
    assert_refused(Refusal, "PATHS_OVERLAP", "/a", "/a", sink_type="alias")
    assert_refused(Refusal, "PATHS_OVERLAP", "/a", "/a/inner", source_type="alias")
    create("/a", "/b", sink_type="alias")


def test_a_link_on_the_way_is_never_followed(root):
    (root / "link").symlink_to("a")
    refused = assert_refused(Refusal, "SINK_SYMLINK_REFUSED", "/b", "/link")
    assert refused.field == "sink_path" and "link" in refused.message
    assert assert_refused(Refusal, "SOURCE_SYMLINK_REFUSED", "/link/inner", "/b").field == "source_path"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_bind_mount_does_not_hide_an_overlap(root):
    if subprocess.run(["mount", "--bind", root / "a", root / "d"], check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        assert_refused(Refusal, "PATHS_OVERLAP", "/a", "/d")
        assert_refused(Refusal, "PATHS_OVERLAP", "/a", "/d/inner")
    finally:
        subprocess.run(["umount", root / "d"], check=True)
    create("/a", "/d")


@pytest.mark.parametrize(("first", "second"), [("/c", "/c"), ("/c", "/c/below"), ("/c/below", "/c")])
def test_a_sink_that_overlaps_another_jobs_sink_is_refused_naming_that_job(root, first, second):
    other = create("/a", first)
    refused = assert_refused(Conflict, "PATHS_OVERLAP", "/b", second)
    assert str(other.id) in refused.message and refused.status == 409


@pytest.mark.parametrize("status", ["paused", "running"])
def test_a_paused_job_still_holds_its_sink(root, status):
    create("/a", "/c")
    Job.objects.update(status=status)
    assert_refused(Conflict, "PATHS_OVERLAP", "/b", "/c")


@pytest.mark.parametrize("status", ["killed", "completed"])
def test_a_job_that_is_over_holds_nothing(root, status):
    create("/a", "/c")
    Job.objects.update(status=status)
    create("/b", "/c")


def test_one_source_may_have_many_sinks(root):
    create("/a", "/b")
    create("/a", "/c")


def test_chains_are_allowed_and_circles_are_not(root):
    create("/a", "/b")
    create("/b", "/c")
    create("/c", "/d")
    refused = assert_refused(Conflict, "JOBS_FORM_A_CYCLE", "/d", "/a")
    assert refused.status == 409
    assert_refused(Conflict, "JOBS_FORM_A_CYCLE", "/d", "/a/inner")


def test_two_jobs_that_copy_into_each_others_source_are_a_circle(root):
    create("/a", "/b")
    assert_refused(Conflict, "JOBS_FORM_A_CYCLE", "/b", "/a")
    assert_refused(Conflict, "JOBS_FORM_A_CYCLE", "/b", "/a", sink_type="alias")


def test_a_circle_through_a_job_that_is_over_is_none(root):
    create("/a", "/b")
    Job.objects.update(status="killed")
    create("/b", "/a")


def test_a_job_whose_storage_is_gone_does_not_stand_in_the_way(root, settings):
    create("/a", "/b", sink_type="alias")
    settings.STORAGES_CONFIGURED = {"local": root.as_uri()}
    create("/a", "/b")


def test_a_source_that_is_missing_or_no_directory_is_refused(root):
    (root / "file").touch()
    os.mkfifo(root / "pipe")
    assert assert_refused(Refusal, "SOURCE_NOT_FOUND", "/nowhere", "/b").field == "source_path"
    for name in ("/file", "/pipe"):
        assert assert_refused(Refusal, "SOURCE_KIND_CONFLICT", name, "/b").field == "source_path"
    assert assert_refused(Refusal, "SINK_KIND_CONFLICT", "/b", "/file").field == "sink_path"


def test_an_unknown_storage_is_refused_naming_those_there_are(root):
    refused = assert_refused(Refusal, "UNKNOWN_STORAGE", "/a", "/b", sink_type="s4")
    assert refused.field == "sink_type" and "alias, local" in refused.hint


def test_a_created_job_is_due_and_recorded(root):
    job = create("/a", "/b", name="backup", interval=None)
    assert (job.status, job.name) == ("running", "backup") and job.next_scan_at
    assert JobEvent.objects.values_list("actor", "action").get() == ("user:ann", "create")
