"""What of an S3 server's answers to a multipart upload is believed. Needs no server."""

import pytest

from storage_backends.objects.http import Answer
from storage_backends.objects.shorter import ShorterWay
from storage_backends.s3 import multipart
from storage_backends.s3.multipart import Begun, Multipart, NoMultipart, Part, multipart_by
from storage_backends.s3.place import Keys, Place
from storage_backends.s3.wire import Wire

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class Http:
    """Answers everything alike and notes what it was asked."""

    def __init__(self, document, status=200, **headers):
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.told, self.asked = Answer(status, told, document.encode()), []

    def answer(self, ask):
        self.asked.append(ask)
        return self.told


def way(document, status=200, **headers):
    http = Http(document, status, **headers)
    return Multipart(Wire(Place("b", "http://127.0.0.1:1", "r"), lambda: Keys("a", "s"), http)), http


def begun(document, **headers):
    return way(document, **headers)[0].begin("f", {"mtime": "1"})


@pytest.mark.parametrize("space", ["", SPACE])
@pytest.mark.parametrize("name", ["InitiateMultipartUploadResult", "InitiateMultipartUpload"])
def test_an_upload_that_began(space, name):
    """The shorter name is rclone's."""
    document = f"{HEAD}<{name}{space}><UploadId>a/b</UploadId></{name}>"
    assert begun(document) == Begun("a/b", keeps_digests=False)
    assert begun(document, x_amz_checksum_algorithm="SHA256") == Begun("a/b", keeps_digests=True)


@pytest.mark.parametrize(
    "document",
    [
        *["", "<html>", f"{HEAD}<Error><Code>InternalError</Code></Error>"],
        "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
        "<CompleteMultipartUploadResult><UploadId>x</UploadId></CompleteMultipartUploadResult>",
    ],
)
def test_an_answer_that_may_not_be_what_it_seems_is_left_to_boto3(document):
    asks, _ = way(document)
    assert asks.begin("f", {}) is None
    assert asks.parts("f", "x") is None
    assert asks.complete("f", "x", {0: Part(1, '"e"')}, {}) is None or "Complete" in document


def listing(more="", cut="false"):
    part = f'<Part><PartNumber>2</PartNumber><Size>7</Size><ETag>"e"</ETag>{more}</Part>'
    return way(f"<ListPartsResult{SPACE}><IsTruncated>{cut}</IsTruncated>{part}</ListPartsResult>")[0].parts("f", "x")


def test_what_is_held_is_counted_from_0():
    assert listing() == {1: Part(7, '"e"')}
    assert listing("<ChecksumSHA256>c2hh</ChecksumSHA256>") == {1: Part(7, '"e"', "c2hh")}


@pytest.mark.parametrize(("more", "cut"), [("", "true"), ("", ""), ("<Size>many</Size>", "false")])
def test_a_list_of_parts_that_is_not_whole_is_left_to_boto3(more, cut):
    assert listing(more, cut) is None


def test_spaces_before_the_answer_keep_the_connection_alive():
    asks, _ = way(f"\n  \n{HEAD}<CompleteMultipartUploadResult{SPACE}><ETag>e</ETag></CompleteMultipartUploadResult>")
    assert asks.complete("f", "x", {0: Part(1, '"e"')}, {}) == ""


def test_an_upload_id_is_quoted_and_the_query_is_in_order():
    asks, http = way("", etag='"e"')
    assert asks.send("d/f", "a b/c+d=", 4, memoryview(b"data"), b"\0" * 32, keeps=True) == '"e"'
    ask = http.asked[0]
    assert ask.url == "http://127.0.0.1:1/b/d/f?partNumber=5&uploadId=a%20b%2Fc%2Bd%3D"
    assert ask.headers["x-amz-content-sha256"] == "0" * 64
    assert ask.headers["x-amz-checksum-sha256"] == "A" * 43 + "="


def test_the_object_is_made_of_all_parts_in_order_on_condition():
    told = "<ChecksumSHA256>x-2</ChecksumSHA256>"
    asks, http = way(f"<CompleteMultipartUploadResult>{told}</CompleteMultipartUploadResult>")
    parts = {1: Part(1, '"<2>"'), 0: Part(5, '"1"', "c2hh")}
    assert asks.complete("f", "x", parts, {"IfNoneMatch": "*"}) == "x-2"
    ask = http.asked[0]
    assert ask.headers["if-none-match"] == "*"
    told = bytes(ask.body).decode()
    assert told.index("<PartNumber>1<") < told.index("<ChecksumSHA256>c2hh<") < told.index("<PartNumber>2<")
    assert '<ETag>"&lt;2&gt;"</ETag>' in told
    assert asks.complete("f", "x", parts, {"IfMatch": '"old"'}) and http.asked[1].headers["if-match"] == '"old"'


def test_a_key_that_boto3_may_spell_otherwise_is_not_asked_about():
    asks, http = way("")
    assert asks.begin("a b", {}) is asks.parts("a b", "x") is None
    assert not http.asked


def test_without_a_shorter_way_everything_goes_by_boto3():
    assert type(multipart_by(ShorterWay())) is NoMultipart
    nothing = multipart.NoMultipart()
    assert nothing.begin("f", {}) is nothing.parts("f", "x") is nothing.complete("f", "x", {}, {}) is None
    assert nothing.send("f", "x", 0, memoryview(b""), b"", keeps=False) is None
