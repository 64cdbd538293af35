"""Google Cloud Storage when it does what the suite can't ask of every service: keeps less, loses answers, throttles."""

import itertools
import json
import logging
import random
import subprocess
import sys
import traceback
import urllib.request
from contextlib import closing
from urllib.parse import unquote_plus, urlsplit

import pytest
from google.oauth2.credentials import Credentials

from storage_backends import errors
from storage_backends.base import Attributes, UploadToken
from storage_backends.gcs.client import GcsClient
from storage_backends.gcs.failures import RETRY
from storage_backends.gcs.storage import PART_BYTES
from storage_backends.registry import open_storage
from tests.conformance.storage.places import MTIME_NS, PLAIN, begin, content, part, partial, put, saved, send
from tests.support.http_proxy import HttpProxy, once
from tests.support.strict_gcs import Answer

DATA = random.Random(1).randbytes(2 * PART_BYTES + (4 << 20) + 12345)
"""Two parts and a bit."""


@pytest.fixture
def upload(gcs):
    """An upload of DATA that nothing was sent of yet."""
    session = gcs.resume_upload(begin(gcs, b"f", DATA, who := partial()), who)
    yield session
    session.close()


def finish(session):
    send(session, DATA)
    session.prepare(b"s" * 32)
    return session.commit()


# ── uploads ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_service_did_not_keep_is_sent_again_and_nothing_else(gcs, strict_gcs, upload):
    short = iter([1 << 20, 3 << 20, 0])
    strict_gcs.keeps = lambda count: min(count, next(short, count))
    info = finish(upload)
    assert content(gcs, b"f") == DATA
    assert info == gcs.get_file_info(b"f")
    assert upload.is_verified_by_server


def test_a_part_that_is_held_half_is_finished_by_the_next_process(gcs, open_gcs, strict_gcs, upload):
    send(upload, DATA, [0])
    strict_gcs.keeps = lambda count: 3 << 20
    strict_gcs.answers = stop_after(strict_gcs, 1)
    with pytest.raises(errors.PermissionDenied):
        send(upload, DATA, [1])
    strict_gcs.keeps, strict_gcs.answers = (lambda count: count), (lambda method, target: None)
    again = open_gcs().resume_upload(saved(upload), partial())
    assert sorted(again.held_parts) == [0]
    before = strict_gcs.received_bytes
    finish(again)
    assert strict_gcs.received_bytes - before == len(DATA) - PART_BYTES - (3 << 20)
    assert content(gcs, b"f") == DATA


def stop_after(strict, chunks):
    """An answer that ends what the client does, after so many more chunks."""
    sent = itertools.count()
    denied = Answer.problem(403, "no")
    return lambda method, target: denied if method == "PUT" and next(sent) >= chunks else None


def test_the_lost_answer_to_a_part_does_not_lose_the_upload(gcs, strict_gcs, upload):
    strict_gcs.loses_answer = once(lambda method, status: method == "PUT" and status == 308)
    finish(upload)
    assert content(gcs, b"f") == DATA
    assert upload.is_verified_by_server


def test_the_lost_answer_to_a_commit_is_asked_for_again(gcs, strict_gcs, upload):
    strict_gcs.loses_answer = once(lambda method, status: method == "PUT" and status == 200)
    assert finish(upload) == gcs.get_file_info(b"f")
    assert content(gcs, b"f") == DATA


def test_a_commit_is_recognised_by_its_object_when_its_session_is_forgotten(gcs, strict_gcs, upload):
    def loses_answer(method, status):
        if method == "PUT" and status == 200:
            strict_gcs.sessions.clear()
            return True
        return False

    strict_gcs.loses_answer = loses_answer
    assert finish(upload) == gcs.get_file_info(b"f")
    assert not upload.is_verified_by_server


def test_the_lost_answer_to_the_commit_of_a_small_file_is_no_conflict(gcs, strict_gcs):
    session = gcs.resume_upload(begin(gcs, b"small", b"data", who := partial()), who)
    session.write_part(0, memoryview(b"data"))
    session.prepare(b"s" * 32)
    strict_gcs.loses_answer = once(lambda method, status: method == "POST" and status == 200)
    assert session.commit() == gcs.get_file_info(b"small")
    session.close()


def test_the_lost_answer_to_one_of_a_batch_is_no_conflict(gcs, strict_gcs):
    batch = gcs.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(), expected="")
    batch.flush()
    strict_gcs.loses_answer = once(lambda method, status: method == "POST" and status == 200)
    assert batch.publish({b"f"}) == {b"f": gcs.get_file_info(b"f")}


def test_what_somebody_else_put_there_while_the_answer_was_lost_is_a_conflict(gcs, strict_gcs):
    put(gcs, b"f", b"DATA")
    batch = gcs.write_batch()
    batch.stage(b"f", b"data", PLAIN, partial(), expected="")
    batch.flush()
    assert isinstance(batch.publish({b"f"})[b"f"], errors.PreconditionFailed)
    assert content(gcs, b"f") == b"DATA"


def test_an_object_that_came_out_with_another_size_is_noticed(gcs_url, strict_gcs):
    def answers(asked):
        if asked.method != "PUT":
            return None
        true = proxy.forward(asked)
        return true._replace(body=json.dumps({**json.loads(true.body), "size": "5"}).encode()) if true.body else true

    with HttpProxy(urlsplit(strict_gcs.url).port, answers) as proxy:
        here = f"http://127.0.0.1:{proxy.port}"
        with closing(open_storage(gcs_url.replace(strict_gcs.url, here))) as storage:
            token = begin(storage, b"f", DATA, who := partial())
            uri = token.state["uri"].replace(strict_gcs.url, here)
            session = storage.resume_upload(token._replace(state={**token.state, "uri": uri}), who)
            with pytest.raises(errors.ChecksumMismatch, match="made 5 bytes"):
                finish(session)


def test_bytes_that_were_changed_on_their_way_never_become_an_object(gcs, strict_gcs, upload):
    send(upload, DATA, [0])
    strict_gcs.alters = flip
    send(upload, DATA, [1])
    strict_gcs.alters = lambda body: body
    with pytest.raises(errors.ChecksumMismatch):
        finish(upload)
    assert not gcs.file_exists(b"f")


def test_bytes_of_a_small_file_that_were_changed_on_their_way_never_become_an_object(gcs, strict_gcs):
    strict_gcs.alters = lambda body: body.replace(b"thedata", b"thedatA")
    with pytest.raises(errors.ChecksumMismatch):
        put(gcs, b"f", b"thedata")
    assert not gcs.file_exists(b"f")


def flip(body):
    return body[:1000] + bytes([body[1000] ^ 1]) + body[1001:] if len(body) > 1000 else body


def test_an_upload_that_another_process_began_says_that_it_is_not_verified(open_gcs, upload):
    send(upload, DATA, [0])
    upload.close()
    again = open_gcs().resume_upload(saved(upload), partial())
    finish(again)
    assert not again.is_verified_by_server
    again.close()


def test_a_commit_over_what_somebody_else_wrote_meanwhile_is_refused(gcs, upload):
    send(upload, DATA)
    put(gcs, b"f", b"somebody else's")
    with pytest.raises(errors.PreconditionFailed):
        upload.commit()
    assert content(gcs, b"f") == b"somebody else's"


def test_a_commit_over_metadata_that_somebody_else_changed_meanwhile_is_refused(gcs):
    before = put(gcs, b"f", b"old")
    session = gcs.resume_upload(begin(gcs, b"f", DATA, who := partial()), who)
    gcs.set_attributes(b"f", Attributes(mtime_ns=MTIME_NS + 1), before)
    send(session, DATA)
    with pytest.raises(errors.PreconditionFailed):
        session.commit()
    session.close()


def test_a_token_with_a_session_is_a_secret_and_shown_nowhere(strict_gcs, upload, caplog):
    token = upload.token
    secret = token.state["uri"].partition("upload_id=")[2]
    assert token.is_secret and secret
    assert UploadToken.from_json(token.to_json()).is_secret
    for name in ("", "google", "urllib3"):  # as if an operator had them say everything
        caplog.set_level(logging.DEBUG, logger=name)
    refusals = iter([503, 503, 403])
    strict_gcs.answers = lambda method, target: Answer.problem(next(refusals), "no") if method == "PUT" else None
    strict_gcs.loses_answer = once(lambda method, status: method == "PUT")
    with pytest.raises(errors.PermissionDenied) as denied:
        send(upload, DATA, [0])
    told = "".join(traceback.format_exception(denied.value)) + caplog.text + repr(token) + str(token) + repr(upload)
    assert "upload_id=…" in told and "Retrying due to" in told
    assert secret not in told and unquote_plus(secret) not in told


def test_an_upload_to_a_service_that_is_gone_shows_no_secret_either(strict_gcs, upload, caplog, monkeypatch):
    monkeypatch.setattr("storage_backends.gcs.sessions.RETRY", RETRY.with_timeout(0.5))
    secret = upload.token.state["uri"].partition("upload_id=")[2]
    for name in ("", "google", "urllib3"):  # as if an operator had them say everything
        caplog.set_level(logging.DEBUG, logger=name)
    strict_gcs.__exit__()
    with pytest.raises(errors.Unreachable) as gone:
        send(upload, DATA, [0])
    assert secret not in "".join(traceback.format_exception(gone.value)) + caplog.text


def test_a_big_upload_that_goes_well_needs_no_sdk(gcs_url):
    """Half a second of imports, in every process that sends a big file."""
    there = f"""
import os, sys
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
storage, who, data = open_storage({gcs_url!r}), PartialId("0123abcd", "0" * 20, 1), os.urandom({len(DATA)})
token = storage.begin_upload(b"f", size=len(data), attributes=Attributes(), source_version="v", partial=who)
upload = storage.resume_upload(token, who)
for number in range(token.part_count):
    first = number * token.part_bytes
    upload.write_part(number, memoryview(data)[first : first + token.part_length(number)])
upload.prepare(bytes(32))
assert upload.commit().size == len(data) and upload.is_verified_by_server
assert not {{"google.cloud.storage", "google.api_core", "requests"}} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", there], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("status", [400, 404, 412])
def test_a_refusal_of_the_last_part_is_told_as_the_sdk_tells_it(strict_gcs, upload, status):
    """It is sent once more, in a way that knows its meaning."""
    send(upload, DATA)
    upload.prepare(b"s" * 32)
    before = len(strict_gcs.requests)
    strict_gcs.answers = lambda method, target: Answer.problem(status, "no") if method == "PUT" else None
    kind = {400: errors.StorageError, 404: errors.UploadGone, 412: errors.PreconditionFailed}[status]
    with pytest.raises(kind, match=r"no|knows nothing") as refused:
        upload.commit()
    assert type(refused.value) is kind
    assert sum(each.startswith("PUT") for each in strict_gcs.requests[before:]) == 2


# ── whole objects ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_listing_has_pages_and_metadata_and_asks_nothing_else(gcs, strict_gcs):
    for number in range(10):
        put(gcs, b"f%d" % number)
    strict_gcs.requests.clear()
    infos = list(gcs.list_files())
    assert [info.path for info in infos] == [b"f%d" % number for number in range(10)]
    assert infos == [gcs.get_file_info(info.path) for info in infos]
    listings = [each for each in strict_gcs.requests if "/o?" in each]
    assert len(listings) == 4 and strict_gcs.requests[:4] == listings


def test_a_small_file_whose_place_is_known_costs_one_request(gcs, strict_gcs):
    strict_gcs.requests.clear()
    batch = gcs.write_batch(trusts_server=True)
    batch.stage(b"f", b"data", PLAIN, partial(), expected="")
    batch.flush()
    batch.publish({b"f"})
    assert len(strict_gcs.requests) == 1


def test_an_edit_of_metadata_by_somebody_else_is_another_version(gcs, gcs_url):
    before = put(gcs, b"f")
    patch(gcs_url, "f", {"metadata": {"colour": "blue"}})
    after = gcs.get_file_info(b"f")
    assert after.version != before.version
    assert list(gcs.list_files()) == [after]
    assert gcs.read_whole(b"f", 100) == (after, b"data")


def test_attributes_leave_foreign_metadata_alone(gcs, gcs_url):
    put(gcs, b"f")
    patch(gcs_url, "f", {"metadata": {"colour": "blue"}})
    gcs.set_attributes(b"f", Attributes(mtime_ns=7), gcs.get_file_info(b"f"))
    assert gcs.client.head("f").metadata["colour"] == "blue"
    assert gcs.get_file_info(b"f").kept_mtime_ns == 7


def test_an_object_that_is_stored_packed_is_read_as_it_is_stored(gcs, gcs_url):
    put(gcs, b"f", b"\x1f\x8b no gzip at all")
    patch(gcs_url, "f", {"contentEncoding": "gzip"})
    assert content(gcs, b"f") == b"\x1f\x8b no gzip at all"
    assert gcs.read_whole(b"f", 100)[1] == b"\x1f\x8b no gzip at all"


def patch(url, name, changes):
    """As another program would."""
    bucket, _, endpoint = url.removeprefix("gs://").partition("?endpoint_url=")
    request = urllib.request.Request(
        f"{endpoint}/storage/v1/b/{bucket}/o/{name}",
        json.dumps(changes).encode(),
        {"Content-Type": "application/json"},
        method="PATCH",
    )
    urllib.request.urlopen(request, timeout=20).close()


def test_a_service_that_fails_for_a_moment_is_asked_again(gcs, strict_gcs):
    failures = iter([503, 502])
    strict_gcs.answers = lambda method, target: (status := next(failures, None)) and Answer.problem(status, "busy")
    put(gcs, b"f")
    assert content(gcs, b"f") == b"data"


@pytest.mark.parametrize("does", ["probe", "list", "write", "upload"])
def test_a_missing_bucket_is_a_mistake_of_the_configuration(strict_gcs, does):
    storage = open_storage(f"gs://no-such-bucket?endpoint_url={strict_gcs.url}")
    with pytest.raises(errors.ConfigurationError, match=r"bucket.*exist.*correct the storage's URL"):
        match does:
            case "probe":
                storage.probe()
            case "list":
                list(storage.list_files())
            case "write":
                put(storage, b"f")
            case "upload":
                begin(storage, b"f", DATA, partial())
    storage.close()


def test_the_probe_of_a_bucket_that_is_there_succeeds(gcs):
    gcs.probe()


def test_parts_are_cut_from_the_data(upload):
    assert part(upload.token, DATA, 2) == DATA[2 * PART_BYTES :]


SCRIPT = """
import sys
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
storage = open_storage(sys.argv[1])
assert storage.root_identity().is_empty and not list(storage.list_files())
storage.write_file(b"d/f", b"data", Attributes(mtime_ns=7), PartialId("0123abcd", "0" * 20, 1))
assert storage.read_whole(b"d/f", 10)[1] == b"data" and storage.get_file_info(b"d/f").sha256
assert b"".join(storage.read_file(b"d/f", 1, 2)) == b"at"
assert [(info.path, info.size, info.kept_mtime_ns) for info in storage.list_files()] == [(b"d/f", 4, 7)]
storage.close()
print(sorted({"google.auth", "google.cloud.storage", "requests"} & sys.modules.keys()))
"""


def test_small_objects_need_no_sdk_while_all_goes_well(gcs_url):
    done = subprocess.run([sys.executable, "-c", SCRIPT, gcs_url], env={"PATH": ""}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_requests_without_the_sdk_are_signed_too(strict_gcs, gcs_url):
    with HttpProxy(urlsplit(strict_gcs.url).port) as proxy:
        client = GcsClient(urlsplit(gcs_url).netloc, f"http://127.0.0.1:{proxy.port}", Credentials("secret-token"))
        client.put("f", b"data", {}, "")
        assert client.get("f", 10)[1] == b"data" and [each.key for each in client.listed("")] == ["f"]
        assert client._made is None
        client.close()
    assert [asked.headers["authorization"] for asked in proxy.asked] == ["Bearer secret-token"] * 4


def test_small_objects_that_lie_together_are_looked_at_together(strict_gcs, gcs, gcs_url):
    strict_gcs.page_items = 1000
    keys = [f"d/f{number:02}" for number in range(12)]
    for key in keys:
        gcs.write_file(key.encode(), key.encode(), Attributes(mtime_ns=7), partial())
    with HttpProxy(urlsplit(strict_gcs.url).port) as proxy:
        client = GcsClient(urlsplit(gcs_url).netloc, f"http://127.0.0.1:{proxy.port}", None)
        client.expect(keys)
        gcs.write_file(keys[-1].encode(), b"changed meanwhile", Attributes(mtime_ns=8), partial())
        found = [client.get(key, 100) for key in keys]
        client.close()
    assert [data for _, data in found] == [*(key.encode() for key in keys[:-1]), b"changed meanwhile"]
    assert [stored.metadata["syncf-mtime-ns"] for stored, _ in found] == ["7"] * 11 + ["8"]
    assert len(proxy.asked) == 1 + 11 + 3  # the last one is looked at and fetched again


WHOLE = Answer(200, {"Content-Length": str(len(DATA))}, DATA)
FIRST = Answer(206, {"Content-Length": "100", "Content-Range": f"bytes 0-99/{len(DATA)}"}, DATA[:100])
SAID_BY_NOBODY = Answer(200, {"Content-Length": "100"}, DATA[:100])


@pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "the SDK"])
@pytest.mark.parametrize("other", [WHOLE, FIRST, SAID_BY_NOBODY], ids=["whole", "the first", "no range"])
def test_another_range_than_was_asked_for_is_refused_in_words(gcs, strict_gcs, name, other):
    put(gcs, name, DATA)
    with gcs.open_file(name) as file:
        strict_gcs.answers = lambda method, target: other if "alt=media" in target else None
        with pytest.raises(errors.StorageError, match=f"{name.decode()}.*has to understand the header Range"):
            file.read_into(1 << 20, memoryview(bytearray(100)))


def test_a_range_that_is_the_whole_object_may_come_as_such(gcs, strict_gcs):
    put(gcs, b"not plain", DATA[:100])
    with gcs.open_file(b"not plain") as file:
        strict_gcs.answers = lambda method, target: SAID_BY_NOBODY if "alt=media" in target else None
        assert file.read_into(0, memoryview(found := bytearray(100))) == 100 and found == DATA[:100]
