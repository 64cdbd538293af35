"""Bad requests and the clear answers they get: a code, a sentence, the field, and never a 500."""

import json
import os

import pytest

from jobs.models import Job

NEW = {"source_path": "/in", "sink_path": "/out", "source_type": "local", "sink_type": "local", "interval": "5m"}
LONE_SURROGATE = "\ud800"
UPLOAD = b'--b\r\nContent-Disposition: form-data; name="name"; filename="f"\r\n\r\n%s\r\n--b--\r\n'


def submit(api, body):
    """POST it in pure ASCII, as only that carries a lone surrogate."""
    return api.generic("POST", "/api/jobs", json.dumps(body), content_type="application/json")


def refusal(answer) -> tuple[int, str, str]:
    body = answer.json()
    assert body.keys() == {"code", "message", "field", "hint"}
    assert body["message"]
    return answer.status_code, body["code"], body["field"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x", "PATH_NOT_CANONICAL"),
        ("a/../../x", "PATH_NOT_CANONICAL"),
        ("in/..", "PATH_NOT_CANONICAL"),
        ("..", "PATH_NOT_CANONICAL"),
        (".", "PATH_NOT_CANONICAL"),
        ("./in", "PATH_NOT_CANONICAL"),
        ("//srv", "PATH_NOT_CANONICAL"),
        ("///", "PATH_NOT_CANONICAL"),
        ("in//b", "PATH_NOT_CANONICAL"),
        ("../storage-evil/x", "PATH_NOT_CANONICAL"),
        ("", "PATH_EMPTY"),
        ("in\0", "PATH_BAD_CHARACTER"),
        (LONE_SURROGATE, "PATH_BAD_CHARACTER"),
        ("x" * 256, "NAME_TOO_LONG"),
        ("/".join(["x" * 200] * 21), "NAME_TOO_LONG"),
        ("/etc/passwd", "SOURCE_NOT_FOUND"),
        ("~root/x", "SOURCE_NOT_FOUND"),
        ("..\\..\\x", "SOURCE_NOT_FOUND"),
        ("file:", "SOURCE_NOT_FOUND"),
        (" ", "SOURCE_NOT_FOUND"),
        ("in ", "SOURCE_NOT_FOUND"),
        ("missing", "SOURCE_NOT_FOUND"),
        ("link", "SOURCE_SYMLINK_REFUSED"),
        ("link/deeper", "SOURCE_SYMLINK_REFUSED"),
        ("loop", "SOURCE_SYMLINK_REFUSED"),
        ("in/a.txt", "SOURCE_KIND_CONFLICT"),
        ("fifo", "SOURCE_KIND_CONFLICT"),
        (5, "INVALID"),
        (None, "NULL"),
        (True, "INVALID"),
        (["in"], "INVALID"),
    ],
)
def test_a_bad_source_path_is_refused_at_its_field(api, storage, path, code):
    (storage / "link").symlink_to("/etc")
    (storage / "loop").symlink_to("loop")
    os.mkfifo(storage / "fifo")
    answer = submit(api, {**NEW, "source_path": path})
    assert refusal(answer) == (400, code, "source_path")
    assert not Job.objects.exists()


@pytest.mark.parametrize("path", ["../x", "//", "a\0b", "", LONE_SURROGATE])
def test_a_bad_sink_path_is_refused_at_its_field(api, storage, path):
    status, code, field = refusal(submit(api, {**NEW, "sink_path": path}))
    assert (status, code[:5], field) == (400, "PATH_", "sink_path")


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_storage_whose_root_is_gone_is_refused(api, storage, settings, side):
    settings.STORAGES_CONFIGURED = {**settings.STORAGES_CONFIGURED, "gone": "file:///nowhere/at/all"}
    answer = submit(api, {**NEW, f"{side}_type": "gone"})
    assert refusal(answer)[::2] == (400, f"{side}_path")
    assert not Job.objects.exists()


@pytest.mark.parametrize("url", ["nonsense", "carrier-pigeon://x", "file:///x?unknown=1"])
def test_a_storage_that_cannot_be_opened_is_refused_whatever_is_to_be_verified(api, storage, settings, url):
    settings.STORAGES_CONFIGURED = {**settings.STORAGES_CONFIGURED, "odd": url}
    for verify in ("readback", "stored"):
        answer = submit(api, {**NEW, "sink_type": "odd", "verify": verify})
        assert refusal(answer) == (400, "SINK_CONFIGURATION", "sink_path")


def test_a_leading_slash_means_the_storages_root(api, storage):
    assert submit(api, NEW).status_code == 201


@pytest.mark.parametrize("sink", ["/in", "in", "in/below", "/"])
def test_a_sink_that_overlaps_its_source_is_refused(api, storage, sink):
    assert refusal(submit(api, {**NEW, "sink_path": sink})) == (400, "PATHS_OVERLAP", "sink_path")


def test_a_sink_in_another_jobs_way_is_a_conflict_that_names_the_job(api, storage):
    other = submit(api, NEW).json()["job_id"]
    answer = submit(api, {**NEW, "sink_path": "/out/below"})
    assert refusal(answer) == (409, "PATHS_OVERLAP", "sink_path")
    assert other in answer.json()["message"]


def test_somebody_elses_job_in_the_way_is_not_named(api, storage, client_of, make_user):
    other = submit(client_of(make_user("add_job")), {**NEW, "name": "secret plan"}).json()["job_id"]
    answer = submit(api, {**NEW, "sink_path": "/out/below"})
    assert refusal(answer) == (409, "PATHS_OVERLAP", "sink_path")
    assert other not in answer.content.decode() and "secret plan" not in answer.content.decode()


@pytest.mark.parametrize(
    "interval", ["1e3", "5", "-5m", "5d", "999ms", "8785h", "5M", "m", "9" * 400 + "h", 5, True, ["5m"], "5\0m"]
)
def test_a_bad_interval_is_refused_with_an_example(api, storage, interval):
    answer = submit(api, {**NEW, "interval": interval})
    assert refusal(answer) == (400, "INVALID_INTERVAL", "interval")
    assert "5m" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source_type": "s3"}, "UNKNOWN_STORAGE"),
        ({"source_type": 5}, "INVALID"),
        ({"source_type": ""}, "BLANK"),
        ({"source_type": "x" * 51}, "MAX_LENGTH"),
        ({"source_type": "a\0"}, "NULL_CHARACTERS_NOT_ALLOWED"),
        ({"sink_type": "nowhere"}, "UNKNOWN_STORAGE"),
        ({"name": "x" * 201}, "MAX_LENGTH"),
        ({"name": "a\0"}, "NULL_CHARACTERS_NOT_ALLOWED"),
        ({"name": LONE_SURROGATE}, "SURROGATE_CHARACTERS_NOT_ALLOWED"),
        ({"verify": "never"}, "INVALID_CHOICE"),
        ({"verify": ["disk"]}, "INVALID_CHOICE"),
        ({"verify": "stored"}, "VERIFY_NOT_POSSIBLE"),
        ({"bytes_per_second": 0}, "MIN_VALUE"),
        ({"bytes_per_second": 1 << 63}, "MAX_VALUE"),
        ({"bytes_per_second": "fast"}, "INVALID"),
        ({"max_attempts": 0}, "MIN_VALUE"),
        ({"max_attempts": 101}, "MAX_VALUE"),
        ({"when_changing": "later"}, "INVALID_CHOICE"),
        ({"quiet_seconds": 0}, "MIN_VALUE"),
        ({"quiet_seconds": 86_401}, "MAX_VALUE"),
        ({"exclude": "*.tmp"}, "NOT_RULES"),
        ({"exclude": [5]}, "NOT_RULES"),
        ({"exclude": ["a\nb"]}, "NOT_RULES"),
        ({"exclude": ["a\0"]}, "NOT_RULES"),
        ({"exclude": ["x"] * 201}, "TOO_MANY_RULES"),
        ({"include": ["x" * 513]}, "TOO_MANY_RULES"),
        ({"include": ["!"]}, "INVALID_RULE"),
        ({"surprise": 1}, "UNKNOWN_FIELD"),
        ({LONE_SURROGATE: 1}, "UNKNOWN_FIELD"),
        ({"status": "completed"}, "READ_ONLY_FIELD"),
        ({"owner": 1}, "READ_ONLY_FIELD"),
        ({"next_scan_at": None}, "READ_ONLY_FIELD"),
        ({"epoch": 1}, "READ_ONLY_FIELD"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(api, storage, changes, code):
    [field] = changes
    answer = submit(api, {**NEW, **changes})
    assert refusal(answer) == (400, code, field.encode(errors="backslashreplace").decode())
    assert not Job.objects.exists()


@pytest.mark.parametrize("field", ["source_type", "source_path", "sink_type", "sink_path"])
def test_what_a_job_needs_is_named_when_it_is_missing(api, storage, field):
    assert refusal(submit(api, {k: v for k, v in NEW.items() if k != field})) == (400, "REQUIRED", field)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "BAD_JSON"),
        (b"\xff\xfe", "application/json", 400, "BAD_JSON"),
        (b'{"a": NaN}', "application/json", 400, "BAD_JSON"),
        (b"[" * 100_000, "application/json", 400, "BAD_JSON"),
        (b"9" * 10_000, "application/json", 400, "BAD_JSON"),
        (b"[]", "application/json", 400, "INVALID"),
        (b"5", "application/json", 400, "INVALID"),
        (b"null", "application/json", 400, "NULL"),
        (b" " * (2 << 20), "application/json", 413, "BODY_TOO_LARGE"),
        (b"a=" + b"x" * (2 << 20), "application/x-www-form-urlencoded", 413, "BODY_TOO_LARGE"),
        (b"&".join([b"a=1"] * 2000), "application/x-www-form-urlencoded", 400, None),
        (UPLOAD % (b"x" * (2 << 20)), "multipart/form-data; boundary=b", 413, "BODY_TOO_LARGE"),
        (b"x", "multipart/form-data; boundary=", 400, "PARSE_ERROR"),
        (b"x", "multipart/form-data", 400, "PARSE_ERROR"),
        (b"<job/>", "application/xml", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", "nonsense", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(api, storage, body, content_type, status, code):
    answer = api.generic("POST", "/api/jobs", body, content_type=content_type)
    assert refusal(answer)[:2] == (status, code or refusal(answer)[1])


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("statos=paused", 400, "UNKNOWN_FILTER"),
        ("ordering=name", 400, "UNKNOWN_FILTER"),
        ("status=nothing", 400, "INVALID_CHOICE"),
        ("source_type=a%00b", 400, "NULL_CHARACTERS_NOT_ALLOWED"),
        ("created_after=yesterday", 400, "INVALID"),
        ("created_after=0001-01-01T00:00:00%2B23:59", 400, "INVALID"),
        ("created_before=9999-12-31T23:59:59-23:59", 400, "INVALID"),
        ("page=0", 404, "NOT_FOUND"),
        ("page=99999999999999999999", 404, "NOT_FOUND"),
        ("page=%00", 404, "NOT_FOUND"),
    ],
)
def test_a_bad_query_is_refused(api, job, query, status, code):
    assert refusal(api.get(f"/api/jobs?{query}"))[:2] == (status, code)


@pytest.mark.parametrize("cursor", ["x", "-1", "", "1.5", "9" * 19, "9" * 5000, "%00", "²"])
def test_a_made_up_cursor_is_refused(api, job, cursor):
    assert refusal(api.get(f"/api/jobs/{job.pk}/tracking?cursor={cursor}")) == (400, "BAD_CURSOR", "cursor")


def test_tracking_refuses_unknown_filters_too(api, job):
    assert refusal(api.get(f"/api/jobs/{job.pk}/tracking?source_type=local")) == (400, "UNKNOWN_FILTER", "source_type")
    assert refusal(api.get(f"/api/jobs/{job.pk}/tracking?status=done")) == (400, "INVALID_CHOICE", "status")


@pytest.mark.parametrize(
    "path", ["nonsense", "jobs/nonsense", "jobs/%00", "jobs/1/tracking", "jobs//pause", "jobs/x/scans/y", "slaves/%FF"]
)
def test_an_address_that_is_none_is_404_in_the_common_shape(api, path):
    assert refusal(api.get(f"/api/{path}"))[:2] == (404, "NOT_FOUND")


def test_numbers_too_large_for_the_database_are_404(api, job):
    for number in ("9" * 19, "9" * 30):
        assert api.get(f"/api/jobs/{job.pk}/scans/{number}").status_code == 404
        assert api.post(f"/api/jobs/{job.pk}/retry", {"task_id": number}).status_code == 404
    assert api.post(f"/api/jobs/{job.pk}/retry", {"task_id": "²"}).status_code == 404
    assert refusal(api.post(f"/api/jobs/{job.pk}/retry", {"task_id": 5})) == (400, "INVALID", "task_id")


def test_a_method_that_an_address_does_not_have_is_405(api, job):
    answer = api.put(f"/api/jobs/{job.pk}", NEW)
    assert refusal(answer)[:2] == (405, "METHOD_NOT_ALLOWED")
    assert "PATCH" in answer["Allow"]
    assert refusal(api.get(f"/api/jobs/{job.pk}/pause"))[:2] == (405, "METHOD_NOT_ALLOWED")
    assert refusal(api.options("/api/jobs"))[:2] == (405, "METHOD_NOT_ALLOWED")


def test_a_format_nobody_speaks_is_406(api):
    assert refusal(api.get("/api/jobs", HTTP_ACCEPT="application/xml"))[:2] == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("field", ["verify", "when_changing", "source_type"])
def test_half_a_character_in_a_choice_is_refused_in_words_that_can_be_sent(api, field):
    answer = submit(api, NEW | {field: LONE_SURROGATE})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
