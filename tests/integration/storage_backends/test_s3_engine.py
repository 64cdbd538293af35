"""The engine with S3 as its sink: what is held is not sent again, what was forgotten begins again, and it says so."""

import pytest

from tests.unit.engine.disturbances import Crash, crash_after_commit, stop_after_parts
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
    crash_after_commit(bench)
    with pytest.raises(Crash):
        bench.run(big)
    bench.calm()
    (outcome,) = bench.run(bench.again(big))
    assert (outcome.result, outcome.bytes_copied, outcome.bytes_resumed) == (Result.COMPLETED, 0, BIG)
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


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize(("verify", "reads_back"), [(Verify.STORED, False), (Verify.READBACK, True)])
def test_what_the_server_verified_is_not_read_back_where_that_is_enough(bench, s3_proxy, size, verify, reads_back):
    bench.verify = verify
    bench.write("file", pattern(size))
    (outcome,) = bench.run(bench.work(1, "file"))
    assert outcome.result is Result.COMPLETED
    gets = [asked.target for asked in s3_proxy.asked if asked.method == "GET"]
    assert any(target.endswith("/prefix/file") for target in gets) is reads_back
