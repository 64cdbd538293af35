"""Reports of a job: every file is in them, as `sha256sum`, a spreadsheet and a JSON parser take it, in flat memory."""

import csv
import hashlib
import io
import json
import subprocess
import tracemalloc

import pytest
from django.utils import timezone

from jobs import sql
from tests.unit.jobs import builders

KINDS = ("report.csv", "report.json", "SHA256SUMS")
HOSTILE = [
    b"plain.txt",
    b"-",
    b"-rf",
    b" leading and trailing ",
    b"*starred",
    b"back\\slash",
    b"new\nline",
    b"carriage\rreturn",
    b"ends in return\r",
    b"both\\n\n\\",
    b"\xff\xfe not UTF-8",
    "dir/ünïcødé 文".encode(),
    b"#comment",
    b"\\leading backslash",
]


def body(answer) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def fetch(api, job, kind: str) -> bytes:
    return body(api.get(f"/api/jobs/{job.pk}/{kind}"))


def table(api, job) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(fetch(api, job, "report.csv").decode()))
    return {row["file"]: row for row in rows}


def test_sha256sum_accepts_the_sink_with_every_name_there_can_be(api, job, tmp_path):
    for number, name in enumerate(HOSTILE):
        content = b"content %d" % number
        file = tmp_path / name.decode("utf-8", "surrogateescape")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        builders.put(job, "completed", name, checksum=hashlib.sha256(content).digest())
    (tmp_path / "SHA256SUMS.txt").write_bytes(fetch(api, job, "SHA256SUMS"))
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS.txt"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b": OK\n") == len(HOSTILE)


def test_sha256sums_are_written_as_sha256sum_writes_them(api, job, tmp_path):
    names = [name for name in HOSTILE if name != b"-"]
    for name in names:
        file = tmp_path / name.decode("utf-8", "surrogateescape")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"content")
        builders.put(job, "completed", name)
    done = subprocess.run([b"sha256sum", b"--", *sorted(names)], cwd=tmp_path, capture_output=True, check=True)
    assert fetch(api, job, "SHA256SUMS") == done.stdout


def test_sha256sums_name_only_what_is_proved_to_be_at_the_sink(api, job):
    builders.put(job, "completed", b"there")
    builders.put(job, "completed", b"directory/")
    builders.put(job, "completed", b"link", kind="symlink")
    builders.put(job, "failed", b"changed since", checksum=builders.DIGEST)
    builders.put(job, "pending", b"not yet")
    assert fetch(api, job, "SHA256SUMS") == f"{builders.DIGEST.hex()}  there\n".encode()


def test_csv_tells_everything_about_every_file(api, job):
    moment = timezone.now().replace(microsecond=5)
    builders.put(job, "completed", b"a", size=7, slave_name="slave-001", started_at=moment, completed_at=moment)
    builders.put(job, "failed", b"b", reason_code="SINK_FULL", reason_text="No space, no\nluck.", attempts=5)
    rows = table(api, job)
    written = moment.isoformat().replace("+00:00", "Z")
    assert rows["a"] == {
        **{"file": "a", "kind": "file", "size": "7", "sha256": builders.DIGEST.hex(), "status": "completed"},
        **{"reason_code": "", "reason_text": "", "slave": "slave-001", "attempts": "0"},
        **{"started_at": written, "completed_at": written, "gone_at": ""},
    }
    assert (rows["b"]["sha256"], rows["b"]["reason_text"]) == ("", "No space, no\nluck.")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "'=1"])
def test_no_name_is_a_formula_in_a_spreadsheet(api, job, name):
    builders.put(job, "failed", name.encode(), reason_text=f"{name} failed")
    [row] = table(api, job).values()
    assert row["file"] == f"'{name}" and row["reason_text"] == f"'{name} failed"


@pytest.mark.parametrize("name", ['a;=1+1', 'a,"=1', "a\t=1", "a\n=1"])
def test_no_name_breaks_out_of_its_cell(api, job, name):
    builders.put(job, "pending", name.encode())
    text = fetch(api, job, "report.csv").decode()
    assert len(text.splitlines()) == 2 and len(table(api, job)) == 1
    assert all(cell.startswith('"') for cell in text.splitlines()[1].split('","')[:1])


def test_json_has_the_job_its_totals_and_the_very_bytes_of_odd_names(api, job):
    builders.put(job, "completed", b"a")
    builders.put(job, "completed", b"\xff")
    report = json.loads(fetch(api, job, "report.json"))
    assert report["job"]["id"] == str(job.pk) and report["summary"]["files"] == 0
    assert [(file["file"], file.get("file_b64")) for file in report["files"]] == [("a", None), ("\\xFF", "/w==")]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_job_has_reports_too(api, job, kind):
    text = fetch(api, job, kind)
    assert kind == "SHA256SUMS" or text
    assert kind != "report.json" or json.loads(text)["files"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_a_download_whatever_the_client_accepts(api, job, kind):
    for accept in ("text/csv", "application/json", "text/html", "image/png"):
        answer = api.get(f"/api/jobs/{job.pk}/{kind}", HTTP_ACCEPT=accept)
        assert answer["Content-Disposition"] == f'attachment; filename="{kind}"'
        body(answer)
    assert api.head(f"/api/jobs/{job.pk}/{kind}").content == b""
    refused = api.get("/api/jobs/nonsense/" + kind, HTTP_ACCEPT="text/csv")
    assert (refused.status_code, refused.json()["code"]) == (404, "NOT_FOUND")


@pytest.fixture
def many(job) -> int:
    """More rows than a few pages hold."""
    count = 30_000
    rows = [builders.new_row(b"%03d/file-%06d" % (number % 100, number)) for number in range(count)]
    sql.insert_tasks(str(job.pk), rows)
    return count


@pytest.mark.parametrize(("kind", "beside_pages"), [("report.csv", 1), ("report.json", 2), ("SHA256SUMS", 0)])
def test_many_files_are_told_in_flat_memory(api, job, many, kind, beside_pages):
    tracemalloc.start()
    try:
        answer, chunks = api.get(f"/api/jobs/{job.pk}/{kind}"), 0
        for _ in answer.streaming_content:  # keeps nothing of it
            chunks += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert chunks == beside_pages + many // 1000
    assert peak < 8 << 20  # of one page 2 to 7 MB; of all of them 12 to 20, as rows alone


def test_many_files_are_all_told_once_and_in_order(api, job, many):
    names = [row["file"] for row in csv.DictReader(io.StringIO(fetch(api, job, "report.csv").decode()))]
    assert len(names) == many and names == sorted(set(names))


def test_reports_need_the_permission_to_see_the_job(make_user, make_job, client_of):
    foreign = make_job(owner=make_user())
    for kind in KINDS:
        assert client_of(make_user("view_job")).get(f"/api/jobs/{foreign.pk}/{kind}").status_code == 404
        assert client_of(foreign.owner).get(f"/api/jobs/{foreign.pk}/{kind}").status_code == 403
