"""Google Cloud Storage: URLs, credentials, plans, names, and what errors mean. Nobody is asked."""

import json
import logging

import pytest
import requests
import urllib3
from google.api_core.exceptions import Forbidden as GoogleForbidden
from google.api_core.exceptions import RetryError, from_http_response
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from storage_backends import errors
from storage_backends.base import Attributes, PartialId
from storage_backends.errors import BadCredentials, BadPath, ConfigurationError, FileTooBig, NameTooLong
from storage_backends.gcs import sessions
from storage_backends.gcs.failures import failure
from storage_backends.gcs.progress import held_bytes
from storage_backends.gcs.storage import CAPABILITIES, PART_BYTES
from storage_backends.gcs.wire import Wire
from storage_backends.objects.http import Answer, Http
from storage_backends.registry import open_storage

EMULATOR = "?endpoint_url=http://127.0.0.1:1"
WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    """And none is looked for on the network."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)


@pytest.fixture
def storage():
    storage = open_storage(f"gs://bucket/team{EMULATOR}", b"job")
    yield storage
    storage.close()


def answer(status, message="because", reason="invalid", **headers):
    """An HTTP answer as `requests` has it."""
    response = requests.Response()
    response.status_code, response.reason = status, "Reason"
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    response._content = json.dumps({"error": error}).encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response.request = requests.Request("PUT", "https://storage/upload?upload_id=SECRET").prepare()
    return response


def api(status, *args, **kwargs):
    return from_http_response(answer(status, *args, **kwargs))


# ── URLs and credentials ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://", "gs://bucket/prefix"),
        ("gs:///prefix", "gs://bucket/prefix"),
        ("gs://user:password@bucket/prefix", "no credentials"),
        ("gs://Bucket", "name of a bucket"),
        ("gs://bucket?endpoint=http://x", "unknown option 'endpoint' in the URL; known: endpoint_url"),
        ("gs://bucket?endpoint_url=localhost:4443", "http://host:port"),
        ("gs://bucket?endpoint_url=ftp://localhost", "http://host:port"),
        ("gs://bucket?endpoint_url=http://user:password@localhost", "no user"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason(url, reason):
    with pytest.raises(ConfigurationError, match=reason) as caught:
        open_storage(url)
    assert "password" not in str(caught.value)


def test_a_missing_credential_is_told_with_what_to_do():
    with pytest.raises(BadCredentials, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        open_storage("gs://bucket")
    assert isinstance(caught.value.__cause__, DefaultCredentialsError)


def test_a_private_endpoint_is_asked_without_credentials_if_there_are_none():
    open_storage("gs://bucket?endpoint_url=https://private.example").close()


def test_the_emulator_of_the_environment_is_used_as_by_the_sdk(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:2")
    storage = open_storage("gs://bucket")
    assert storage.client.sdk._sdk.api_endpoint == "http://127.0.0.1:2"
    storage.close()


def test_a_bucket_is_the_same_at_every_endpoint_of_the_service_and_another_one_at_an_emulator():
    def where(options):
        storage = open_storage(f"gs://bucket{options}")
        storage.close()
        return storage._where

    assert where("?endpoint_url=https://private.example") == where("?endpoint_url=https://other.example")
    assert where("?endpoint_url=http://127.0.0.1:1") != where("?endpoint_url=http://127.0.0.1:2")
    assert where("?endpoint_url=http://127.0.0.1:1") != where("?endpoint_url=https://private.example")


def test_a_storage_closes_twice(storage):
    storage.close()
    storage.close()


# ── plans and names ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 1 << 40, 5 << 40])
def test_every_size_the_service_takes_has_parts_it_takes(size):
    part = CAPABILITIES.part_bytes(size)
    assert part % (256 << 10) == 0
    assert part * CAPABILITIES.max_parts >= size


def test_a_file_of_more_than_five_tebibytes_is_refused_before_anything_is_asked(storage):
    with pytest.raises(FileTooBig, match="5 TiB"):
        storage.begin_upload(b"f", size=(5 << 40) + 1, attributes=Attributes(), source_version="v", partial=WHO)


@pytest.mark.parametrize("path", [b"../f", b"a/../../f", b"/f", b"..", b".", b"a//f"])
def test_no_path_leads_out_of_the_prefix(storage, path):
    with pytest.raises(BadPath):
        storage.key(path)


def test_a_key_is_below_the_operators_prefix_and_the_jobs_path(storage):
    assert storage.key(b"a/f") == "team/job/a/f"


@pytest.mark.parametrize("path", [b"a\nb", b"a\rb", b"\xff"])
def test_a_name_the_service_can_not_hold_is_refused(storage, path):
    with pytest.raises(BadPath, match="rename it"):
        storage.key(path)


def test_the_folder_of_certificates_is_refused_at_the_top_only(storage):
    path = b".well-known/acme-challenge/f"
    storage.key(path)
    top = open_storage(f"gs://bucket{EMULATOR}")
    with pytest.raises(BadPath, match="certificates"):
        top.key(path)
    top.close()


def test_a_key_has_1024_bytes_at_most(storage):
    room = 1024 - len("team/job/")
    storage.key("é".encode() * (room // 2))
    with pytest.raises(NameTooLong):
        storage.key("é".encode() * (room // 2 + 1))


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api(400), errors.StorageError),
        (api(400, 'Provided CRC32C "a" doesn\'t match calculated CRC32C "b".'), errors.ChecksumMismatch),
        (api(401), errors.BadCredentials),
        (api(403), errors.PermissionDenied),
        (api(403, reason="rateLimitExceeded"), errors.Throttled),
        (api(404), errors.NotFound),
        (api(404, "The specified bucket does not exist."), errors.ConfigurationError),
        (api(408), errors.Unreachable),
        (api(412), errors.PreconditionFailed),
        (api(429), errors.Throttled),
        (api(500), errors.Unreachable),
        (api(502), errors.Unreachable),
        (api(503), errors.Throttled),
        (api(504), errors.Unreachable),
        (RetryError("Timeout of 15.0s exceeded", api(503)), errors.Throttled),
        (RetryError("Timeout of 15.0s exceeded", requests.ConnectTimeout()), errors.Unreachable),
        (InvalidResponse(answer(403), "Request failed"), errors.PermissionDenied),
        (GoogleForbidden("POST https://…: {…}", response=answer(403, reason="rateLimitExceeded")), errors.Throttled),
        (DataCorruption(answer(200), "Checksum mismatch"), errors.ChecksumMismatch),
        (RefreshError("invalid_grant"), errors.BadCredentials),
        (RefreshError("unavailable", retryable=True), errors.Unreachable),
        (TransportError("no route"), errors.Unreachable),
        (requests.ConnectTimeout("slow"), errors.Unreachable),
        (requests.ReadTimeout("slow"), errors.Unreachable),
        (requests.ConnectionError("refused"), errors.Unreachable),
        (urllib3.exceptions.ProtocolError("cut"), errors.Unreachable),
        (ConnectionResetError("reset"), errors.Unreachable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else repr(value)[:40],
)
def test_what_google_raises_has_one_meaning(error, kind):
    assert type(failure(error, "'a/f'")) is kind


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Fri, 31 Dec 9999 07:28:00 GMT", 3600.0), ("soon", None)])
def test_throttling_says_how_long_to_wait(header, seconds):
    assert failure(api(429, Retry_After=header), "'f'").retry_after_seconds == seconds
    assert failure(api(429), "'f'").retry_after_seconds is None


def test_a_denial_is_told_in_the_words_of_the_service():
    told = str(failure(api(403, "robot@x does not have\n storage.objects.create access"), "'a/f'"))
    assert told == "'a/f': Google Cloud Storage says 403, robot@x does not have storage.objects.create access"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 500, 503])
def test_no_message_shows_the_uri_of_an_upload(status):
    assert "SECRET" not in str(failure(api(status), "'f'"))


def test_urllib3_does_not_log_the_uri_of_an_upload():
    record = logging.LogRecord(
        "urllib3", 10, "", 1, '%s "%s %s" %s', ("h", "PUT", "/u?a=1&upload_id=SECRET&b=2", 308), None
    )
    assert sessions._hide_uris(record)
    assert record.getMessage() == 'h "PUT /u?a=1&upload_id=…&b=2" 308'


@pytest.mark.parametrize(
    ("header", "held"),
    [("", 0), ("bytes=0-0", 0), ("bytes=0-262143", 262144), ("bytes=0-1000000", 1000001), ("nonsense", 0)],
)
def test_what_the_service_holds_is_read_from_its_answer(header, held):
    assert held_bytes(header) == held


@pytest.mark.parametrize(
    ("hashes", "size", "found"),
    [
        ("crc32c=yZRlqg==,md5=x", 11, b"hello world"),
        ("crc32c=AAAAAA==,md5=x", 11, None),
        ("md5=x", 11, None),
        ("crc32c=yZRlqg==", 12, None),
    ],
)
def test_what_is_read_whole_is_what_the_service_has_a_checksum_of(hashes, size, found):
    reading = Wire("b", "http://127.0.0.1:1", None, Http("http://127.0.0.1:1", 1)).reading_back("f", "7.1", size)
    assert "ifGenerationMatch=7&ifMetagenerationMatch=1" in next(reading).url
    with pytest.raises(StopIteration) as end:
        reading.send(Answer(200, {"x-goog-hash": hashes}, b"hello world"))
    assert end.value.value == found
