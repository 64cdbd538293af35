"""S3 when it loses answers or puts parts together wrongly, and what it is asked."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from storage_backends import errors
from storage_backends.base import Attributes
from storage_backends.registry import open_storage
from tests.conformance.storage.places import PLAIN, begin, content, partial, put, send
from tests.support.http_proxy import Answer, once

DATA = bytes(range(256)) * (65 << 10)
"""16.25 MiB: two parts and a bit."""
NAMES = pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "boto3"])


@pytest.fixture
def storage(s3_url):
    storage = open_storage(s3_url)
    yield storage
    storage.close()


def uploaded(storage, name=b"big"):
    session = storage.resume_upload(begin(storage, name, DATA, who := partial()), who)
    send(session, DATA)
    session.prepare(b"s" * 32)
    return session


def is_commit(asked):
    return asked.method == "POST" and "uploadId=" in asked.target


@NAMES
def test_the_lost_answer_to_a_small_file_is_no_conflict(storage, s3_proxy, name):
    s3_proxy.loses = once(lambda asked, status: asked.method == "PUT")
    batch = storage.write_batch()
    batch.stage(name, b"data", Attributes(), partial(), expected="")
    batch.flush()
    assert batch.publish({name})[name] == storage.get_file_info(name)
    assert content(storage, name) == b"data"


@NAMES
def test_what_somebody_else_wrote_is_a_conflict_all_the_same(storage, name):
    put(storage, name, b"datA")
    batch = storage.write_batch()
    batch.stage(name, b"data", Attributes(), partial(), expected="")
    batch.flush()
    assert isinstance(batch.publish({name})[name], errors.PreconditionFailed)
    assert content(storage, name) == b"datA"


@NAMES
@pytest.mark.parametrize(
    "said", [b"<html>no</html>", b"<Error><Code>NotImplemented</Code></Error>"], ids=["no word", "its word"]
)
def test_a_501_that_is_not_about_conditions_does_not_end_them(storage, s3_proxy, name, said):
    """Somebody's in between, or the server's to a request without any, too."""

    def published():
        batch = storage.write_batch()
        batch.stage(name, b"data", Attributes(), partial(), expected="")
        batch.flush()
        return batch.publish({name})[name]

    s3_proxy.answers = lambda asked: Answer(501, {}, said) if asked.method == "PUT" else None
    refused = published()
    assert isinstance(refused, errors.StorageError)
    assert refused.retryable is (b"html" in said)
    s3_proxy.answers = lambda asked: None
    s3_proxy.asked.clear()
    assert published().size == 4 and content(storage, name) == b"data"
    puts = [asked for asked in s3_proxy.asked if asked.method == "PUT"]
    assert puts and all(asked.headers.get("if-none-match") == "*" for asked in puts)


@pytest.mark.parametrize("status", [404, 412], ids=["forgotten", "refused"])
def test_the_lost_answer_to_a_commit_is_no_conflict(storage, s3_proxy, status):
    """The repetition finds the upload gone, or the very object that it made."""
    session = uploaded(storage)
    s3_proxy.loses = once(lambda asked, status: is_commit(asked))
    told = {404: b"<Error><Code>NoSuchUpload</Code></Error>", 412: b"<Error><Code>PreconditionFailed</Code></Error>"}
    is_second = once(lambda: True)

    def answers(asked):
        return Answer(status, {}, told[status]) if is_commit(asked) and not is_second() else None

    s3_proxy.answers = answers
    assert session.commit().size == len(DATA)
    assert content(storage, b"big") == DATA


def test_an_object_that_came_out_with_another_size_is_not_taken_for_the_upload(storage, s3_proxy):
    session = uploaded(storage)

    def answers(asked):
        true = s3_proxy.forward(asked) if asked.method == "HEAD" else None
        return true and true._replace(headers={**true.headers, "Content-Length": "5"})

    s3_proxy.answers = answers
    with pytest.raises(errors.UploadGone, match="not what was committed"):
        session.commit()


def by_boto3(asked):
    return "boto" in asked.headers["user-agent"].lower()


def of_upload(asked):
    """What of a multipart upload was asked for, if anything."""
    query = asked.target.partition("?")[2]
    names = {each.partition("=")[0] for each in query.split("&")} & {"uploads", "uploadId", "partNumber"}
    return (asked.method, *sorted(names)) if names else None


CREATE, LIST = ("POST", "uploads"), ("GET", "uploadId")
PART, COMPLETE = ("PUT", "partNumber", "uploadId"), ("POST", "uploadId")


@pytest.mark.parametrize(("name", "is_ours"), [(b"plain", True), (b"not plain", False)])
def test_an_upload_is_four_kinds_of_requests(storage, s3_proxy, name, is_ours):
    """Of a new one nobody asks what the server holds."""
    uploaded(storage, name).commit()
    assert [of_upload(asked) or asked.method for asked in s3_proxy.asked] == [
        *("HEAD", CREATE, PART, PART, PART, COMPLETE, "HEAD")
    ]
    assert {by_boto3(asked) for asked in s3_proxy.asked} == {not is_ours}
    assert content(storage, name) == DATA


@pytest.mark.parametrize("kind", [CREATE, LIST, PART, COMPLETE], ids="-".join)
@pytest.mark.parametrize("refusal", [Answer(500, {}, b""), Answer(200, {}, b"<Error><Code>Odd</Code></Error>")])
def test_what_is_refused_to_us_is_asked_for_by_boto3(storage, s3_proxy, kind, refusal):
    is_first = once(lambda asked: of_upload(asked) == kind)
    s3_proxy.answers = lambda asked: refusal if is_first(asked) else None
    session = storage.resume_upload(begin(storage, b"big", DATA, who := partial()), who)
    session.write_part(0, memoryview(DATA)[: session.token.part_bytes])
    again = storage.resume_upload(session.token, who)
    assert list(again.held_parts) == [0]
    for number in (1, 2):
        begun = number * again.token.part_bytes
        again.write_part(number, memoryview(DATA)[begun : begun + again.token.part_length(number)])
    again.prepare(b"s" * 32)
    again.commit()
    assert content(storage, b"big") == DATA
    asked = [each for each in s3_proxy.asked if of_upload(each) == kind]
    assert [by_boto3(each) for each in asked][:2] == [False, True]


NO_PART = b"<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>%b</PartNumber></Part></ListPartsResult>"
NOT_OF_S3 = {
    "nothing": b"",
    "a page": b"<html><body>sign in</body></html>",
    "in another encoding": b'<?xml version="1.0" encoding="Shift_JIS"?><html/>',
    "in no encoding": b'<?xml version="1.0" encoding="none"?><html/>',
    "a part without a size": NO_PART % b"1",
    "a part without a number": NO_PART % b"one",
}


@NAMES
@pytest.mark.parametrize("kind", [CREATE, LIST, PART, COMPLETE, "HEAD"], ids="".join)
@pytest.mark.parametrize("what", NOT_OF_S3)
def test_an_answer_that_is_not_of_s3_is_an_error_in_words(storage, s3_proxy, name, kind, what):
    odd = Answer(200, {}, NOT_OF_S3[what])
    s3_proxy.answers = lambda asked: odd if (of_upload(asked) or asked.method) == kind else None
    with suppress(errors.StorageError):
        session = uploaded(storage, name)
        again = storage.resume_upload(session.token, partial())
        send(again, DATA)
        again.commit()
        s3_proxy.answers = lambda asked: None
        assert content(storage, name) == DATA


def test_every_part_carries_its_digest_where_the_server_keeps_them(storage, s3_proxy):
    uploaded(storage).commit()
    parts = [asked for asked in s3_proxy.asked if "partNumber=" in asked.target]
    assert len(parts) == 3
    for asked in parts:
        digest = hashlib.sha256(asked.body)
        assert asked.headers["x-amz-checksum-sha256"] == base64.b64encode(digest.digest()).decode()
        assert asked.headers["x-amz-content-sha256"] == digest.hexdigest()


def test_an_object_that_the_server_made_of_other_bytes_is_noticed(storage, s3_proxy):
    session = uploaded(storage)

    def answers(asked):
        if not is_commit(asked):
            return None
        true = s3_proxy.forward(asked)
        wrong = b"<ChecksumSHA256>d3Jvbmc=-3</ChecksumSHA256></CompleteMultipartUploadResult>"
        body = re.sub(rb"<ChecksumSHA256>[^<]*</ChecksumSHA256>", b"", true.body)
        return true._replace(body=body.replace(b"</CompleteMultipartUploadResult>", wrong))

    s3_proxy.answers = answers
    with pytest.raises(errors.ChecksumMismatch):
        session.commit()


def test_a_listing_asks_nothing_about_single_objects(storage, s3_proxy):
    for number in range(5):
        put(storage, b"d/f%d" % number)
    s3_proxy.asked.clear()
    assert len(list(storage.list_files())) == 5
    assert {"list-type=2" in asked.target for asked in s3_proxy.asked} == {True}
    assert len(s3_proxy.asked) <= 2


@pytest.fixture
def small_pages(storage, monkeypatch):
    page = storage.client.shorter.page
    monkeypatch.setattr(storage.client.shorter, "page", lambda prefix, token: page(prefix, token, 3))


ODD = [b"a+b", b"d/%41", b"d/<f>&", b"d/f 1", b"d/\xc3\xa9", b"e", b"f", b"g"]


@pytest.mark.parametrize("by_boto3", [[], [0], [1], [0, 1, 2]])
def test_a_listing_of_many_pages_is_whole_whoever_asks_for_them(storage, s3_proxy, small_pages, by_boto3):
    """By ourselves, by boto3 from the beginning, and from where we are refused something."""
    for name in ODD:
        put(storage, name)
    pages = [0]

    def answers(asked):
        if "boto" in asked.headers["user-agent"].lower():
            return None
        pages[0] += 1
        return Answer(500, {}, b"") if pages[0] - 1 in by_boto3 else None

    s3_proxy.asked.clear()
    s3_proxy.answers = answers
    assert [info.path for info in storage.list_files()] == ODD
    asked_by = ["boto" in asked.headers["user-agent"].lower() for asked in s3_proxy.asked]
    assert asked_by == ([False] * 3 if not by_boto3 else [False] * (by_boto3[0] + 1) + [True])
    listed = {info.path: info.version for info in storage.list_files()}
    assert all(storage.get_file_info(name).version == listed[name] for name in ODD)


def test_a_small_file_whose_place_is_known_costs_one_request(storage, s3_proxy):
    batch = storage.write_batch(trusts_server=True)
    batch.stage(b"f", b"data", PLAIN, partial(), expected="")
    batch.flush()
    batch.publish({b"f"})
    assert [asked.method for asked in s3_proxy.asked] == ["PUT"]


def stands_there(storage, name):
    session = uploaded(storage, name)
    session.commit()
    session.close()


@pytest.mark.parametrize(("name", "by_boto3"), [(b"plain", False), (b"not plain", True)])
def test_a_large_object_is_read_in_ranges_of_one_version(storage, s3_proxy, name, by_boto3):
    stands_there(storage, name)
    s3_proxy.asked.clear()
    assert b"".join(storage.read_file(name)) == DATA
    ranges = [asked for asked in s3_proxy.asked if asked.headers.get("range")]
    assert len(ranges) == 3
    assert all(asked.headers["if-match"] for asked in ranges)
    assert {"boto" in asked.headers["user-agent"].lower() for asked in ranges} == {by_boto3}


def test_a_range_that_does_not_come_is_asked_for_through_boto3(storage, s3_proxy):
    stands_there(storage, b"plain")
    is_first = once(lambda asked: asked.headers.get("range"))
    s3_proxy.answers = lambda asked: Answer(500, {}, b"") if is_first(asked) else None
    assert b"".join(storage.read_file(b"plain")) == DATA


def whole_for_a_range(proxy, asked):
    """As of a server that does not know ranges."""
    return proxy.forward(asked._replace(headers={k: v for k, v in asked.headers.items() if k != "range"}))


def first_range(proxy, asked):
    """As of a cache that knows only one."""
    return proxy.forward(asked._replace(headers={**asked.headers, "range": "bytes=0-99"}))


def first_as_the_whole(proxy, asked):
    """As of a cache that forgot that it was told of a range."""
    told = first_range(proxy, asked)
    headers = {name: value for name, value in told.headers.items() if name.lower() != "content-range"}
    return Answer(200, headers, told.body)


@NAMES
@pytest.mark.parametrize("other", [whole_for_a_range, first_range, first_as_the_whole])
def test_another_range_than_was_asked_for_is_refused(storage, s3_proxy, name, other):
    put(storage, name, DATA)
    with storage.open_file(name) as file:
        s3_proxy.answers = lambda asked: other(s3_proxy, asked) if "range" in asked.headers else None
        found = bytearray(100)
        with pytest.raises(errors.StorageError, match=name.decode()):
            file.read_into(1 << 20, memoryview(found))


@pytest.mark.parametrize("asks", [lambda storage: list(storage.list_files()), lambda storage: storage.root_identity()])
def test_an_answer_that_is_no_listing_is_no_empty_bucket(storage, s3_proxy, asks):
    """A page to sign in, of whoever stands in between."""
    put(storage, b"plain", b"data")
    page = Answer(200, {"content-type": "text/html"}, b"<html><body>Sign in</body></html>")
    s3_proxy.answers = lambda asked: page if "list-type=2" in asked.target else None
    with pytest.raises(errors.Unreachable, match="no listing"):
        asks(storage)


SCRIPT = """
import json, sys
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
storage = open_storage(sys.argv[1])
assert storage.root_identity().is_empty and not list(storage.list_files())
storage.write_file(b"f", b"data", Attributes(), PartialId("0123abcd", "0" * 20, 1))
assert storage.read_whole(b"f", 10)[1] == b"data" and storage.get_file_info(b"f").size == 4
assert b"".join(storage.read_file(b"f")) == b"data"
assert [(info.path, info.size) for info in storage.list_files()] == [(b"f", 4)]
data = bytes(range(256)) * (24 << 10)
who = PartialId("0123abcd", "1" * 20, 1)
token = storage.begin_upload(b"big", size=len(data), attributes=Attributes(), source_version="v", partial=who)
session = storage.resume_upload(token, who)
for number in range(token.part_count):
    begun = number * token.part_bytes
    session.write_part(number, memoryview(data)[begun : begun + token.part_length(number)])
session.prepare(b"s" * 32)
assert session.commit().size == len(data) and b"".join(storage.read_file(b"big")) == data
storage.close()
print(json.dumps([name for name in ("boto3", "botocore") if name in sys.modules]))
"""


@pytest.mark.parametrize(("region", "loaded"), [("&region=us-east-1", []), ("", ["boto3", "botocore"])])
def test_nothing_that_goes_well_needs_boto3_where_the_environment_says_everything(s3_url, region, loaded):
    environment = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "key", "PATH": ""}
    url = s3_url.partition("&profile=")[0] + region
    done = subprocess.run([sys.executable, "-c", SCRIPT, url], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == loaded
