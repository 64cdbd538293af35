"""The documented answers, word for word."""

import base64
import hashlib
from datetime import timedelta

from jobs.counters import Tally
from jobs.models import Job, Task
from storage_backends.names import display_path

NEW = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local", "interval": "5m"}


def make_task(job, name: bytes, **fields) -> Task:
    values = {"kind": "file", "path": name, "path_sha256": hashlib.sha256(name).digest(), "size": 10}
    return Task.objects.create(job=job, path_display=display_path(name), **{**values, **fields})


def test_a_submitted_job_is_answered_as_documented(api, storage, user):
    answer = api.post("/api/jobs", NEW)
    job = Job.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
            "job_id": str(job.pk),
            "status": "running",
            "message": "Job submitted successfully",
            "warnings": [],
        }
    assert answer["Location"] == f"http://testserver/api/jobs/{job.pk}"
    assert (job.owner, job.interval, job.source_path) == (user, timedelta(minutes=5), "/in")
    assert job.events.get().actor == f"user:{user.username}"


def test_every_address_is_accepted_with_a_trailing_slash(api, storage):
    job_id = api.post("/api/jobs/", NEW).json()["job_id"]
    for path in (f"jobs/{job_id}/", f"jobs/{job_id}/tracking/", "slaves/", "schema/", ""):
        assert api.get(f"/api/{path}").status_code == 200, path
    assert api.get("/api").status_code == 200


def test_a_job_shows_everything_about_itself(api, storage):
    job_id = api.post("/api/jobs", {**NEW, "name": "nightly", "exclude": ["*.tmp", "/cache/"]}).json()["job_id"]
    shown = api.get(f"/api/jobs/{job_id}").json()
    assert {
        **{"id": job_id, "source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local"},
        **{"status": "running", "interval": "5m0s", "name": "nightly", "exclude": ["*.tmp", "/cache/"], "include": []},
        **{"verify": "readback", "bytes_per_second": None, "max_attempts": 5, "when_changing": "fail"},
        **{"quiet_seconds": 60, "parked_code": "", "parked_text": ""},
        **{"progress": 0.0, "last_scan": None, "owner": "user1"},
    }.items() <= shown.items()
    assert {"created_at", "updated_at", "next_scan_at"} <= shown.keys()


def test_a_job_says_how_many_of_its_files_failed(api, job):
    tally = Tally()
    tally.move(job.pk, "file", 1, None, "failed")
    tally.move(job.pk, "file", 1, None, "failed")
    tally.write()
    assert api.get(f"/api/jobs/{job.pk}").json()["failed"] == 2
    assert [row["failed"] for row in api.get("/api/jobs").json()["results"]] == [2]


def test_the_list_is_a_page(api, make_job):
    jobs = [make_job() for _ in range(3)]
    first = api.get("/api/jobs", {"page_size": 2}).json()
    assert (first["count"], first["previous"], len(first["results"])) == (3, None, 2)
    second = api.get(first["next"]).json()
    assert (second["next"], len(second["results"])) == (None, 1)
    assert {row["id"] for row in first["results"] + second["results"]} == {str(job.pk) for job in jobs}


def test_tracking_tells_job_summary_and_files(api, job):
    fields = {"status": "completed", "checksum": b"\xab" * 32, "slave_name": "slave-001", "copied_bytes": 10}
    done = make_task(job, b"a/b.txt", **fields)
    make_task(job, b"a/", kind="directory")
    make_task(job, b"half", status="retrying", reason_code="SINK_NO_SPACE", reason_text="full", copied_bytes=5)
    tally = Tally()
    tally.move(job.pk, "file", 10, None, "completed")
    tally.move(job.pk, "file", 10, None, "retrying")
    tally.add(job.pk, "copied", 1)
    tally.write()

    shown = api.get(f"/api/jobs/{job.pk}/tracking").json()
    assert shown.keys() == {"job", "summary", "now", "tasks", "next"}
    assert shown["job"] == api.get(f"/api/jobs/{job.pk}").json()
    assert shown["next"] is None
    assert {
        **{"files": 2, "completed": 1, "retrying": 1, "pending": 0, "failed": 0, "bytes_total": 20, "bytes_done": 10},
        **{"progress": 50.0, "copied": 1, "unchanged": 0},
    }.items() <= shown["summary"].items()
    assert [task["source_file"] for task in shown["tasks"]] == ["/in/a/b.txt", "/in/half"]
    assert {
        **{"id": str(done.pk), "sink_file": f"{job.sink_path}/a/b.txt", "status": "completed", "progress": 100.0},
        **{"file_size": 10, "copied_bytes": 10, "checksum": "ab" * 32, "slave_id": "slave-001", "attempts": 0},
        **{"reason_code": "", "reason_text": "", "kind": "file"},
    }.items() <= shown["tasks"][0].items()
    assert "source_file_b64" not in shown["tasks"][0]
    assert shown["tasks"][1]["reason_code"] == "SINK_NO_SPACE"
    assert (shown["tasks"][1]["progress"], shown["tasks"][1]["checksum"]) == (50.0, "")


def test_a_name_that_cannot_be_shown_comes_escaped_with_its_bytes_beside(api, job):
    make_task(job, b"caf\xe9\n\\x")
    shown = api.get(f"/api/jobs/{job.pk}/tracking").json()["tasks"][0]
    assert shown["source_file"] == "/in/caf\\xE9\\n\\\\x"
    assert base64.b64decode(shown["source_file_b64"]) == b"/in/caf\xe9\n\\x"


def test_the_source_path_is_echoed_as_sent_and_joined_with_one_slash(api, make_job):
    for sent, shown in [("in", "in/x"), ("/in/", "/in/x"), ("/", "/x")]:
        job = make_job(source_path=sent)
        make_task(job, b"x")
        tracking = api.get(f"/api/jobs/{job.pk}/tracking").json()
        assert (tracking["job"]["source_path"], tracking["tasks"][0]["source_file"]) == (sent, shown)


def test_tracking_goes_on_where_the_page_before_ended(api, job):
    for number in range(5):
        make_task(job, b"%d" % number)
    seen, url = [], f"/api/jobs/{job.pk}/tracking?page_size=2&status=pending"
    while url:
        page = api.get(url).json()
        seen.append([task["source_file"][-1] for task in page["tasks"]])
        url = page["next"]
    assert seen == [["0", "1"], ["2", "3"], ["4"]]


def test_a_page_of_tracking_is_never_larger_than_500(api, job):
    rows = [hashlib.sha256(b"%d" % number).digest() for number in range(510)]
    Task.objects.bulk_create(
        Task(job=job, kind="file", path=row, path_sha256=row, path_display=row.hex()) for row in rows
    )
    for asked, given in [({"page_size": 10**9}, 500), ({}, 100), ({"page_size": "x"}, 100), ({"page_size": 0}, 100)]:
        assert len(api.get(f"/api/jobs/{job.pk}/tracking", asked).json()["tasks"]) == given


def test_pause_and_resume_by_put_and_post_are_idempotent(api, job):
    url = f"/api/jobs/{job.pk}"
    expected = [
        (api.put, "pause", "paused", "Job paused successfully"),
        (api.post, "pause", "paused", "Job was paused already"),
        (api.put, "resume", "running", "Job resumed successfully"),
        (api.post, "resume", "running", "Job was running already"),
    ]
    for send, verb, state, message in expected:
        answer = send(f"{url}/{verb}")
        assert answer.status_code == 200
        assert answer.json() == {"job_id": str(job.pk), "status": state, "message": message}


def test_delete_kills_and_keeps_the_history(api, job):
    url = f"/api/jobs/{job.pk}"
    answer = api.delete(url)
    assert (answer.status_code, answer.json()) == (
        200,
        {"job_id": str(job.pk), "status": "killed", "message": "Job killed successfully"},
    )
    assert api.delete(url).json()["message"] == "Job was killed already"
    assert [row["action"] for row in api.get(f"{url}/events").json()["results"]] == ["kill"]


def test_a_refused_move_names_both_states(api, job):
    api.delete(f"/api/jobs/{job.pk}")
    answer = api.put(f"/api/jobs/{job.pk}/resume")
    assert answer.status_code == 409
    assert answer.json()["code"] == "JOB_IS_KILLED"
    assert "killed" in answer.json()["message"] and "running" in answer.json()["message"]
    assert answer.json().keys() == {"code", "message", "field", "hint"}


def test_run_and_preview_request_a_scan_once(api, job):
    url = f"/api/jobs/{job.pk}"
    answer = api.post(f"{url}/preview").json()
    assert (answer["message"], answer["status"]) == ("Preview requested", "running")
    clash = api.post(f"{url}/run")
    assert (clash.status_code, clash.json()["code"]) == (409, "SCAN_UNDER_WAY")
    [scan] = api.get(f"{url}/scans").json()["results"]
    assert (scan["id"], scan["is_preview"], scan["phase"]) == (answer["scan_id"], True, "requested")


def test_a_scan_shows_its_findings_in_pages(api, job):
    scan = job.scans.create()
    for number in range(3):
        scan.findings.create(verdict="error", path_display=f"p{number}", reason_code="SOURCE_PERMISSION_DENIED")
    page = api.get(f"/api/jobs/{job.pk}/scans/{scan.pk}", {"page_size": 2}).json()
    assert page["scan"]["id"] == str(scan.pk)
    assert [row["path"] for row in page["findings"]] == ["p0", "p1"]
    assert [row["path"] for row in api.get(page["next"]).json()["findings"]] == ["p2"]


def test_the_job_tells_the_counts_of_its_last_scan(api, job):
    job.scans.create(new=7, finished_at=job.created_at)
    job.scans.create(is_preview=True, new=9)
    assert api.get(f"/api/jobs/{job.pk}").json()["last_scan"]["new"] == 7


def test_retry_takes_all_failed_tasks_or_one(api, job):
    tasks = [make_task(job, b"%d" % n, status="failed", reason_code="SINK_IO_ERROR") for n in range(3)]
    url = f"/api/jobs/{job.pk}/retry"
    assert api.post(url, {"task_id": str(tasks[0].pk)}).json()["count"] == 1
    assert api.post(url).json() == {
        "job_id": str(job.pk),
        "status": "running",
        "message": "Tasks to be tried again: 2",
        "count": 2,
    }
    assert api.post(url, {"task_id": "99999"}).status_code == 404


def test_patch_changes_options_and_nothing_else(api, job):
    url = f"/api/jobs/{job.pk}"
    changes = {"bytes_per_second": 1 << 20, "interval": "90s", "exclude": ["*.o"], "name": " n "}
    answer = api.patch(url, changes)
    assert answer.status_code == 200
    assert {**changes, "interval": "1m30s"}.items() <= answer.json().items()
    assert api.patch(url, {"interval": ""}).json()["interval"] == ""
    assert api.patch(url, {}).status_code == 200
    for name in ("source_path", "sink_path", "status", "owner", "next_scan_at", "id", "parked_code"):
        refused = api.patch(url, {name: "x"})
        assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "READ_ONLY_FIELD", name)
