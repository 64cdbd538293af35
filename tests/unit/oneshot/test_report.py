"""The numbers of a one-shot sync: `files` are the regular files, each copied, unchanged or failed."""

import io
import json

import pytest
from django.utils import timezone

from jobs import counters, parking, transitions
from jobs.models import Finding, Scan
from tests.unit.jobs import builders
from transfers.oneshot.beginning import Request
from transfers.oneshot.report import NAMED, Report
from transfers.oneshot.session import Session

pytestmark = pytest.mark.django_db


def session(*, is_dry_run: bool = False, **scan) -> Session:
    """As it stands before anything was copied."""
    request = Request(("local", "/a"), ("local", "/b"), {}, 1, is_dry_run)
    made = Session(request, lambda: False, lambda session: None, lambda sentence: None)
    made.job = builders.new_job()
    made.before = counters.totals(made.job.pk)
    made.scan = Scan.objects.create(job=made.job, **{"finished_at": timezone.now(), **scan})
    return made


def work(session: Session, path: bytes, status: str = "completed", **ending) -> None:
    slave = builders.new_slave()
    task = builders.claim_one(slave, session.job, path, size=10)
    transitions.settle(slave, [builders.ending(task, status, **ending)])


def numbers(session: Session) -> dict[str, object]:
    return json.loads(Report(session, 1.23456).json())


def written(session: Session, failures_file) -> str:
    stream = io.StringIO()
    Report(session, 1.0).write(stream, failures_file=failures_file)
    return stream.getvalue()


def test_files_are_copied_unchanged_or_failed():
    one = session(unchanged=5, skipped=2, gone=1, files_seen=10)
    work(one, b"copied", copied=7, resumed=3)
    work(one, b"adopted", adopted=True)
    work(one, b"failed", "failed")
    work(one, b"directory/")
    work(one, b"bad directory/", "failed")
    expected = {"copied": 1, "unchanged": 6, "failed": 1, "files": 8, "skipped": 2, "gone": 1, "errors": 0}
    expected |= {"bytes_copied": 7, "bytes_resumed": 3, "seconds": 1.235, "error": "", "job_id": str(one.job.pk)}
    expected |= {"verify": "readback", "not_kept": []}
    told = numbers(one)
    failures = told.pop("failures")
    assert told == expected
    assert [failure["path"] for failure in failures] == ["failed", "bad directory/"]
    assert all(failure["code"] and failure["text"] for failure in failures)


def test_what_was_left_and_is_done_before_the_scan_comes_to_it_is_counted_once():
    one = session(unchanged=5, files_seen=5)
    work(one, b"copied", copied=10)
    work(one, b"adopted", adopted=True)
    found = numbers(one)
    assert (found["copied"], found["unchanged"], found["files"]) == (1, 4, 5)


def test_what_an_earlier_run_did_is_not_counted_again():
    one = session()
    work(one, b"before", copied=10)
    one.before = counters.totals(one.job.pk)
    one.scan.unchanged, one.scan.files_seen = 1, 2
    work(one, b"now", copied=4)
    found = numbers(one)
    assert (found["copied"], found["unchanged"], found["files"], found["bytes_copied"]) == (1, 1, 2, 4)


def test_a_full_sink_is_told_without_the_promise_that_a_job_keeps(tmp_path):
    one = session()
    builders.put(one.job, "pending", b"big")
    parking.park_full(one.job, parking.Lack("SINK_NO_SPACE", "big", 5000), actor="sync")
    told = written(one, tmp_path / "failures")
    assert "big needs 5,000 bytes" in told and "will never fit.\n" in told and "by itself" not in told


def test_what_parked_the_job_is_told_once(tmp_path):
    one = session(error_code="ROOT_CHANGED", error_text="The disk is away.")
    builders.put(one.job, "pending", b"a")
    parking.park(one.job, "ROOT_CHANGED", "The disk is away.")
    assert written(one, tmp_path / "failures").count("The disk is away.") == 1


def test_only_a_run_without_failures_or_scan_errors_is_clean():
    assert Report(session(), 1).is_clean
    assert not Report(session(errors=1), 1).is_clean
    assert not Report(session(error_code="SCAN_FAILED"), 1).is_clean
    assert not Report(session(finished_at=None), 1).is_clean
    one = session()
    work(one, b"failed", "retrying")
    assert not Report(one, 1).is_clean


def test_a_run_that_left_work_is_not_clean_and_says_so(tmp_path):
    one = session()
    builders.discover(one.job, b"left")
    assert not Report(one, 1).is_clean
    assert "1 file, link or directory is left to do.\n" in written(one, tmp_path / "failures")


def test_people_read_the_same_numbers_and_every_failure_with_its_reason(tmp_path):
    one = session(unchanged=1234, files_seen=1235, errors=1)
    work(one, b"bad\nname", "failed")
    Finding.objects.create(
        scan=one.scan, verdict="error", path_display="d/", reason_code="SOURCE_PERMISSION_DENIED", reason_text="no"
    )
    text = written(one, tmp_path / "failures")
    assert "1,235 files, 0 copied, 1,234 unchanged, 1 failed, 0 skipped" in text
    assert "not copied: bad\\nname: SINK_IO_ERROR: why" in text
    assert "not listed: d/: SOURCE_PERMISSION_DENIED: no" in text
    assert not (tmp_path / "failures").exists()


def test_one_is_told_as_one(tmp_path):
    text = written(session(files_seen=1, unchanged=1, gone=1), tmp_path / "failures")
    assert text.startswith("1 file, 0 copied, 1 unchanged") and "1 more path is gone from the source" in text


def test_people_are_told_that_what_is_gone_from_the_source_stays_at_the_sink(tmp_path):
    assert "3 more paths are gone from the source; at the sink nothing is ever deleted.\n" in written(
        session(gone=3, files_seen=1), tmp_path / "failures"
    )
    assert "gone" not in written(session(files_seen=1), tmp_path / "failures")


def test_the_first_failures_are_named_and_all_are_in_a_file(tmp_path):
    one = session()
    for number in range(NAMED + 2):
        work(one, b"%02d" % number, "failed")
    file = tmp_path / "failures"
    text = written(one, file)
    assert text.count("SINK_IO_ERROR") == NAMED and f"and 2 more; all are in {file}" in text
    assert len(file.read_text().splitlines()) == NAMED + 2


def test_a_file_for_all_failures_that_can_not_be_written_is_said_so(tmp_path):
    one = session()
    for number in range(NAMED + 1):
        work(one, b"%d" % number, "failed")
    assert f"1 more; {tmp_path}, which was to name all, can't be written (Is a directory)" in written(one, tmp_path)


def test_a_dry_run_says_what_would_be_done(tmp_path):
    one = session(is_dry_run=True, files_seen=3, new=2, unchanged=1, bytes_to_copy=99)
    Finding.objects.create(scan=one.scan, verdict="new", path_display="a")
    found = numbers(one)
    assert (found["dry_run"], found["files"], found["new"], found["bytes_to_copy"]) == (True, 3, 2, 99)
    assert "new      a\n" in written(one, tmp_path / "failures")


def test_a_scan_that_failed_is_said_so(tmp_path):
    text = written(session(error_code="ROOT_MISSING", error_text="It is gone."), tmp_path / "failures")
    assert "ROOT_MISSING: It is gone." in text


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_a_source_without_files_is_told_for_it_may_be_misspelt(tmp_path, is_dry_run):
    said = "No file was found at the source."
    assert said in written(session(is_dry_run=is_dry_run), tmp_path)
    others = ({"files_seen": 1}, {"skipped": 1}, {"errors": 1}, {"error_code": "SCAN_FAILED"}, {"finished_at": None})
    for scan in others:
        assert said not in written(session(is_dry_run=is_dry_run, **scan), tmp_path)
