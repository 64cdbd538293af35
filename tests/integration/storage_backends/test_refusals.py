"""What a cloud refuses, as its real servers say it: one clear reason for each, whatever was asked, and no secret in it.

What a local server says by itself is not made up here; the rest are answers as the services document them.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import generate_container_sas

from storage_backends.errors import (
    BadCredentials,
    ConfigurationError,
    PermissionDenied,
    StorageError,
    Unreachable,
)
from storage_backends.gcs.failures import RETRY
from storage_backends.registry import open_storage
from tests.conformance.storage.places import put
from tests.servers import buckets, swift
from tests.servers.cloud import AZURITE_ACCOUNT, AZURITE_KEY
from tests.servers.ensure import SWIFT
from tests.support.gcs import emulator_url, new_bucket
from tests.support.http_proxy import Answer, HttpProxy
from tests.unit.engine.doubles import PART, Bench, pattern
from transfers.engine.contracts import Place, Result

S3_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{0}</Code><Message>As documented</Message></Error>'
GCS_ERROR = '{{"error": {{"code": {1}, "message": "{2}", "errors": [{{"reason": "{0}", "message": "{2}"}}]}}}}'
AZURE_ERROR = '<?xml version="1.0" encoding="utf-8"?><Error><Code>{0}</Code><Message>As documented</Message></Error>'


def s3(code, status, **headers):
    return Answer(status, {"Content-Type": "application/xml", **headers}, S3_ERROR.format(code).encode())


def gcs(reason, status, message="as documented", **headers):
    body = GCS_ERROR.format(reason, status, message).encode()
    return Answer(status, {"Content-Type": "application/json", **headers}, body)


def azure(code, status, **headers):
    return Answer(status, {"x-ms-error-code": code, **headers}, AZURE_ERROR.format(code).encode())


WAIT = {"Retry-After": "7"}
REFUSALS = [
    ("s3", s3("SignatureDoesNotMatch", 403), "SINK_BAD_CREDENTIALS"),
    ("s3", s3("InvalidAccessKeyId", 403), "SINK_BAD_CREDENTIALS"),
    ("s3", s3("ExpiredToken", 400), "SINK_BAD_CREDENTIALS"),
    ("s3", s3("AccessDenied", 403), "SINK_PERMISSION_DENIED"),
    ("s3", s3("NoSuchBucket", 404), "SINK_CONFIGURATION"),
    ("s3", s3("PermanentRedirect", 301), "SINK_CONFIGURATION"),
    ("s3", s3("SlowDown", 503, **WAIT), "SINK_THROTTLED"),
    ("s3", s3("TooManyRequests", 429, **WAIT), "SINK_THROTTLED"),
    ("gcs", gcs("authError", 401), "SINK_BAD_CREDENTIALS"),
    ("gcs", gcs("forbidden", 403), "SINK_PERMISSION_DENIED"),
    ("gcs", gcs("notFound", 404, "The specified bucket does not exist."), "SINK_CONFIGURATION"),
    ("gcs", gcs("backendError", 503, **WAIT), "SINK_THROTTLED"),
    ("gcs", gcs("rateLimitExceeded", 429, **WAIT), "SINK_THROTTLED"),
    ("azure", azure("AuthenticationFailed", 403), "SINK_BAD_CREDENTIALS"),
    ("azure", azure("InvalidAuthenticationInfo", 401), "SINK_BAD_CREDENTIALS"),
    ("azure", azure("AuthorizationPermissionMismatch", 403), "SINK_PERMISSION_DENIED"),
    ("azure", azure("ContainerNotFound", 404), "SINK_CONFIGURATION"),
    ("azure", azure("ServerBusy", 503, **WAIT), "SINK_THROTTLED"),
    ("azure", azure("TooManyRequests", 429, **WAIT), "SINK_THROTTLED"),
]
IDS = [f"{kind}-{code}-{answer.status}" for kind, answer, code in REFUSALS]
LARGE = 9 * PART
"""An upload of its own wherever a batch takes less."""


@pytest.fixture
def place(request):
    """kind → the URL of an empty bucket behind a proxy, and the proxy."""
    return lambda kind: (request.getfixturevalue(f"{kind}_url"), request.getfixturevalue(f"{kind}_proxy"))


@pytest.fixture
def gcs_proxy():
    with HttpProxy(urlsplit(emulator_url()).port) as proxy:
        yield proxy


@pytest.fixture
def gcs_url(gcs_proxy, monkeypatch):
    without_pauses = RETRY.with_delay(initial=0.001, maximum=0.001).with_timeout(0.1)
    monkeypatch.setattr("storage_backends.gcs.sdk.RETRY", without_pauses)
    monkeypatch.setattr("storage_backends.gcs.sessions.RETRY", without_pauses)
    return new_bucket(f"http://127.0.0.1:{gcs_proxy.port}")


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.storages.close()


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("kind", "answer", "reason"), REFUSALS, ids=IDS)
def test_a_refusal_has_one_reason(bench, place, kind, answer, reason, size):
    url, proxy = place(kind)
    bench.sink = Place(url, b"job")
    bench.write("file", pattern(size))
    proxy.answers = lambda asked: without_body(answer) if asked.method == "HEAD" else answer
    (outcome,) = bench.run(bench.work(1, "file"))
    assert outcome.reason_code == reason, outcome.reason_text
    is_throttled = reason.endswith("THROTTLED")
    assert outcome.result is (Result.RETRY if is_throttled else Result.FAILED)
    assert outcome.costs_attempt is not is_throttled
    assert outcome.retry_after_seconds == (7 if is_throttled else None)
    assert AZURITE_KEY not in outcome.reason_text and "\n" not in outcome.reason_text


@pytest.mark.parametrize(("kind", "answer", "reason"), REFUSALS, ids=IDS)
def test_a_scan_is_refused_for_the_same_reason(place, kind, answer, reason):
    url, proxy = place(kind)
    storage = open_storage(url, b"job")
    proxy.answers = lambda asked: answer
    for ask in (storage.probe, storage.root_identity, lambda: list(storage.list_files())):
        with pytest.raises(StorageError) as told:
            ask()
        assert f"SINK_{told.value.code}" == reason
    storage.close()


@pytest.mark.parametrize(("kind", "answer", "reason"), REFUSALS, ids=IDS)
def test_reading_is_refused_for_the_same_reason(bench, place, kind, answer, reason):
    """A small file and a large one, whose places are known: HEAD, to which S3 gives no code, is answered."""
    url, proxy = place(kind)
    sizes = {"small": 10, "large": LARGE}
    with closing(open_storage(url, b"job")) as storage:
        for name, size in sizes.items():
            put(storage, name.encode(), pattern(size))
    bench.source, bench.sink = Place(url, b"job"), bench.sink._replace(path=b"sink")
    proxy.answers = lambda asked: answer if is_of_content(asked) else None
    works = [bench.work(number, name, size=size) for number, (name, size) in enumerate(sizes.items(), start=1)]
    for outcome in bench.run(*works):
        assert outcome.reason_code == reason.replace("SINK", "SOURCE"), outcome.reason_text
        assert outcome.costs_attempt is not reason.endswith("THROTTLED")
        assert AZURITE_KEY not in outcome.reason_text and "\n" not in outcome.reason_text


def is_of_content(asked):
    return asked.method == "GET" and ("job/" in asked.target or "job%2F" in asked.target)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("has_region", [False, True])
def test_a_server_of_s3_that_always_sends_elsewhere_is_asked_a_few_times_and_told_in_a_line(
    s3_url, s3_proxy, status, has_region
):
    headers = {"Location": f"http://127.0.0.1:{s3_proxy.port}/"} | ({"x-amz-bucket-region": "x"} if has_region else {})
    s3_proxy.answers = lambda asked: Answer(status, headers)
    with closing(open_storage(s3_url)) as storage:
        for ask in (storage.probe, lambda: list(storage.list_files()), lambda: storage.get_file_info(b"f")):
            s3_proxy.asked.clear()
            with pytest.raises((ConfigurationError, Unreachable), match=rf"elsewhere \({status}\); correct") as told:
                ask()
            assert len(s3_proxy.asked) <= 6 and "\n" not in str(told.value)


@pytest.mark.parametrize(("key", "secret"), [(swift.KEY_ID, "not the secret"), ("nobody:nobody", swift.SECRET)])
def test_swift_tells_wrong_keys_itself(tmp_path, monkeypatch, key, secret):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(buckets.write_s3_profiles(tmp_path / "credentials")))
    with buckets.s3_bucket(SWIFT) as url:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        storage = open_storage(url.partition("&profile=")[0])
        for ask in (storage.probe, lambda: put(storage, b"f"), lambda: storage.get_file_info(b"f")):
            with pytest.raises(BadCredentials) as told:
                ask()
            assert secret not in str(told.value)
        storage.close()


def test_a_token_without_the_permission_to_write_is_denied_and_an_old_one_is_a_credential_to_renew(
    azure_container, azure_url, monkeypatch
):
    for permission, hours, expected in (("rl", 1, PermissionDenied), ("rwl", -1, (BadCredentials, PermissionDenied))):
        until = datetime.now(UTC) + timedelta(hours=hours)
        token = generate_container_sas(
            AZURITE_ACCOUNT, azure_container, account_key=AZURITE_KEY, permission=permission, expiry=until
        )
        monkeypatch.setenv("AZURE_STORAGE_KEY", "")
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token)
        storage = open_storage(azure_url)
        with pytest.raises(expected) as told:
            put(storage, b"f")
        assert token.partition("sig=")[2] not in str(told.value)
        storage.close()


def without_body(answer):
    """As an answer to HEAD, which S3 gives no code at all."""
    return Answer(answer.status, {name: value for name, value in answer.headers.items() if name != "Content-Type"})
