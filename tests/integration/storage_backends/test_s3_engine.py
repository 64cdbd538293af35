"""The engine with S3 as its sink: what is held is not sent again, what was forgotten begins again, and it says so."""

import base64
import hashlib

import pytest

from tests.support.http_proxy import Answer, once
from tests.unit.engine.disturbances import (
    assert_that_a_commit_nobody_recorded_is_not_sent_again,
    stop_after_parts,
)
from tests.unit.engine.doubles import pattern, sha256
from transfers.engine.contracts import Result, Stop, Verify

PART = 5 << 20
"""The smallest that S3 takes."""
BIG = 2 * PART + 12_345
SERVICE = "s3"


def parts_sent(proxy):
    return [asked for asked in proxy.asked if "partNumber=" in asked.target]


def test_what_the_service_holds_is_not_sent_again(bench, sink, s3_proxy, big):
    stop_after_parts(bench, 2, Stop.RELEASE)
    bench.run(big)
    held = len(parts_sent(s3_proxy))
    assert held and not sink.file_exists(b"big")
    bench.calm()
    (done,) = bench.run(bench.again(big))
    assert (done.result, done.sha256) == (Result.COMPLETED, sha256(pattern(BIG)))
    assert len(parts_sent(s3_proxy)) == 3
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_what_was_committed_before_a_crash_is_not_sent_again(bench, s3_proxy, big):
    assert_that_a_commit_nobody_recorded_is_not_sent_again(bench, big)
    assert len(parts_sent(s3_proxy)) == 3


def test_an_upload_the_service_has_forgotten_begins_again_and_says_so(bench, sink, big, caplog):
    stop_after_parts(bench, 2, Stop.RELEASE)
    bench.run(big)
    for upload in list(sink.list_uploads()):
        target = {"Bucket": sink.client.bucket, "Key": "prefix/big", "UploadId": upload.version}
        sink.client.api.abort_multipart_upload(**target)
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert "big: starts over because the sink knows nothing of its upload any more" in caplog.text
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def with_checksum(proxy):
    """As of AWS, which names what it made of the parts' digests. moto names nothing."""

    def answers(asked):
        if not is_commit(asked):
            return None
        told = {part.target: part.headers["x-amz-checksum-sha256"] for part in parts_sent(proxy)}
        digest = hashlib.sha256(b"".join(base64.b64decode(told[target]) for target in sorted(told))).digest()
        said = b"<ChecksumSHA256>%b-%d</ChecksumSHA256>" % (base64.b64encode(digest), len(told))
        end = b"</CompleteMultipartUploadResult>"
        true = proxy.forward(asked)
        return true._replace(body=true.body.replace(end, said + end))

    return answers


def is_commit(asked):
    return asked.method == "POST" and "uploadId=" in asked.target


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize(("verify", "reads_back"), [(Verify.STORED, False), (Verify.READBACK, True)])
def test_what_the_server_verified_is_not_read_back_where_that_is_enough(bench, s3_proxy, size, verify, reads_back):
    bench.verify, s3_proxy.answers = verify, with_checksum(s3_proxy)
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert outcome.result is Result.COMPLETED
    gets = [asked.target for asked in s3_proxy.asked if asked.method == "GET"]
    assert any(target.endswith("/prefix/file") for target in gets) is reads_back


def reads(proxy):
    return [asked for asked in proxy.asked if asked.method == "GET" and asked.target.endswith("/prefix/big")]


def test_a_server_that_names_no_checksum_where_it_promised_one_is_not_trusted(bench, s3_proxy, big):
    """moto promises, names nothing, and overlooks what a request is signed over."""
    bench.verify = Verify.STORED
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and reads(s3_proxy)


def test_other_bytes_at_such_a_server_are_noticed(bench, s3_proxy, big):
    bench.verify = Verify.STORED
    s3_proxy.alters = lambda asked: asked.body[:-1] + b"?" if "partNumber=2" in asked.target else asked.body
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_CHECKSUM_MISMATCH")


def test_parts_that_another_process_sent_are_not_verified_by_the_server(bench, s3_proxy, big):
    stop_after_parts(bench, 2, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    bench.verify, s3_proxy.answers = Verify.STORED, with_checksum(s3_proxy)
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.COMPLETED and reads(s3_proxy)


def test_an_upload_whose_parts_are_refused_is_removed_before_another_one_begins(bench, sink, s3_proxy, big):
    """The server still holds it, and bills it."""
    refusal = Answer(400, {}, b"<Error><Code>InvalidPart</Code></Error>")
    refusals = iter([refusal, refusal])  # to us, and to boto3
    s3_proxy.answers = lambda asked: next(refusals, None) if is_commit(asked) else None
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    assert list(sink.list_uploads()) == []
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_part_that_was_sent_once_more_under_another_etag_costs_nothing(bench, sink, s3_proxy, big):
    """By a slave that was taken for dead, to a server whose etags are not of the content."""

    def another_etag(asked):
        if "partNumber=2" not in asked.target:
            return None
        true = s3_proxy.forward(asked)
        return true._replace(headers={**true.headers, "ETag": '"before"'})

    bench.verify, s3_proxy.answers = Verify.STORED, another_etag
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED
    assert len(parts_sent(s3_proxy)) == 3 and reads(s3_proxy)
    assert list(sink.list_uploads()) == []


def test_a_commit_in_conflict_with_another_one_begins_again(bench, sink, s3_proxy, big):
    """409: of such an upload AWS makes no object any more."""
    conflict = Answer(409, {}, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
    s3_proxy.answers = lambda asked: conflict if is_commit(asked) else None
    (outcome,) = bench.run(big)
    assert (outcome.result, outcome.reason_code) == (Result.RETRY, "SINK_PRECONDITION_FAILED")
    assert list(sink.list_uploads()) == [] and not sink.file_exists(b"big")
    s3_proxy.answers = lambda asked: None
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied) == (Result.COMPLETED, BIG)
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


COMPLETED = b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
FAILED = b"<Error><Code>InternalError</Code></Error>"


@pytest.mark.parametrize("said", [COMPLETED, FAILED], ids=["made", "not made"])
def test_a_commit_that_is_answered_with_200_and_did_not_happen_is_none(bench, sink, s3_proxy, big, said):
    s3_proxy.answers = lambda asked: Answer(200, {}, said) if is_commit(asked) else None
    (outcome,) = bench.run(big)
    assert outcome.result is Result.RETRY and not sink.file_exists(b"big")
    s3_proxy.answers = lambda asked: None
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.COMPLETED and list(sink.list_uploads()) == []
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


def test_a_commit_that_is_answered_with_an_error_and_happened_is_one(bench, s3_proxy, big):
    """Nobody has named a checksum then."""
    bench.verify = Verify.STORED
    s3_proxy.answers = lambda asked: s3_proxy.forward(asked)._replace(body=FAILED) if is_commit(asked) else None
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and len(parts_sent(s3_proxy)) == 3 and reads(s3_proxy)


def test_the_lost_answer_to_a_part_costs_that_part(bench, sink, s3_proxy, big):
    s3_proxy.loses = once(lambda asked, status: "partNumber=2" in asked.target)
    (outcome,) = bench.run(big)
    assert outcome.result is Result.COMPLETED and len(parts_sent(s3_proxy)) == 4
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)


@pytest.mark.parametrize("parts", [b"", b"<Part><PartNumber>1</PartNumber><Size>5242880</Size><ETag>1</ETag></Part>"])
def test_a_server_that_speaks_of_an_upload_that_it_forgot_is_not_believed(bench, sink, s3_proxy, big, parts):
    """It lists parts and takes more of them, until they are to become an object."""
    stop_after_parts(bench, 1, Stop.RELEASE)
    bench.run(big)
    bench.calm()
    forgotten = next(sink.list_uploads()).version
    sink.client.api.abort_multipart_upload(Bucket=sink.client.bucket, Key="prefix/big", UploadId=forgotten)
    listing = b"<ListPartsResult><IsTruncated>false</IsTruncated>%b</ListPartsResult>" % parts

    def answers(asked):
        if forgotten not in asked.target:
            return None
        if is_commit(asked):  # of which moto knows no better than 500
            return Answer(404, {}, b"<Error><Code>NoSuchUpload</Code></Error>")
        return Answer(200, {"ETag": '"1"'}, listing if asked.method == "GET" else b"")

    s3_proxy.answers = answers
    (outcome,) = bench.run(bench.again(big))
    assert outcome.result is Result.COMPLETED
    assert b"".join(sink.read_file(b"big")) == pattern(BIG)
    assert list(sink.list_uploads()) == []
