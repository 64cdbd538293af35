"""What S3 and boto3 mean, what a URL may say, and the arithmetic of parts. Needs no server."""

import string
from datetime import UTC, datetime

import pytest
from botocore import exceptions as boto

from storage_backends import errors
from storage_backends.objects.client import Page, Stored
from storage_backends.objects.http import PLAIN_KEY, Http
from storage_backends.registry import open_storage
from storage_backends.s3.failures import NotImplementedThere, asking
from storage_backends.s3.place import Keys, Place
from storage_backends.s3.storage import CAPABILITIES
from storage_backends.s3.wire import Wire, _page, address_of, signed

MIB = 1 << 20


def refused(code, status=400, **headers):
    answer = {"Error": {"Code": code, "Message": "said so"}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return boto.ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("raised", "meant"),
    [
        (refused("NoSuchKey", 404), errors.NotFound),
        (refused("404", 404), errors.NotFound),
        (refused("NoSuchBucket", 404), errors.ConfigurationError),
        (refused("NoSuchUpload", 404), errors.UploadGone),
        (refused("PreconditionFailed", 412), errors.PreconditionFailed),
        (refused("BadDigest"), errors.ChecksumMismatch),
        (refused("XAmzContentSHA256Mismatch"), errors.ChecksumMismatch),
        (refused("AccessDenied", 403), errors.PermissionDenied),
        (refused("InvalidObjectState", 403), errors.PermissionDenied),
        (refused("ExpiredToken"), errors.BadCredentials),
        (refused("SignatureDoesNotMatch", 403), errors.BadCredentials),
        (refused("SlowDown", 503), errors.Throttled),
        (refused("SomethingNew", 429), errors.Throttled),
        (refused("SomethingNew", 500), errors.Unreachable),
        (refused("EntityTooLarge"), errors.FileTooBig),
        (refused("PermanentRedirect", 301), errors.ConfigurationError),
        (refused("TemporaryRedirect", 307), errors.Unreachable),
        (refused("302", 302), errors.Unreachable),
        (refused("NotImplemented", 501), NotImplementedThere),
        (boto.NoCredentialsError(), errors.BadCredentials),
        (boto.ProfileNotFound(profile="none"), errors.ConfigurationError),
        (boto.EndpointConnectionError(endpoint_url="http://x"), errors.Unreachable),
        (boto.ReadTimeoutError(endpoint_url="http://x"), errors.Unreachable),
        (ConnectionResetError(), errors.Unreachable),
    ],
)
def test_every_refusal_has_a_meaning(raised, meant):
    with pytest.raises(errors.StorageError) as told, asking("bucket", "a/key"):
        raise raised
    assert type(told.value) is meant
    assert told.value.__cause__ is raised


def test_throttling_waits_as_long_as_the_server_says_and_costs_no_attempt():
    with pytest.raises(errors.Throttled) as told, asking("bucket"):
        raise refused("SlowDown", 503, **{"retry-after": "7"})
    assert told.value.retry_after_seconds == 7
    assert not told.value.costs_attempt


def test_a_missing_bucket_says_what_to_do():
    told = "bucket photos does not exist; create it"
    with pytest.raises(errors.ConfigurationError, match=told), asking("photos"):
        raise refused("NoSuchBucket", 404)


@pytest.mark.parametrize(
    "url", ["s3://", "s3://key:secret@bucket", "s3://bucket?password=x", "s3://bucket?endpoint_url=nonsense"]
)
def test_a_wrong_url_is_refused_without_its_secrets(url):
    with pytest.raises(errors.ConfigurationError) as told:
        open_storage(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("size", [1, 5 * MIB, 8 * MIB + 1, 80 << 30, 5 << 40])
def test_every_size_up_to_5_tib_fits_into_10000_parts(size):
    part = CAPABILITIES.part_bytes(size)
    assert 5 * MIB <= part <= 5 << 30
    assert -(-size // part) <= 10_000


def test_what_is_larger_than_any_object_is_refused():
    with pytest.raises(ValueError):
        CAPABILITIES.part_bytes(51 << 40)


@pytest.mark.parametrize("key", ["a", "d/f.txt", "x_1-2/3.4/z"])
def test_plain_keys_take_the_short_way(key):
    assert PLAIN_KEY.fullmatch(key)


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a//b", "a/", ".", "..", "a/../b", "a/./b", ".a", "é", "a\n"]
    + [f"a{each}b" for each in string.punctuation if each not in "._-/"]
    + ["a b", " a", "a "],
)
def test_keys_that_another_library_may_spell_otherwise_do_not(key):
    assert not PLAIN_KEY.fullmatch(key)


def test_a_range_is_signed_as_amazons_own_example_is():
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    url, wanted = "https://examplebucket.s3.amazonaws.com/test.txt", {"range": "bytes=0-9"}
    headers = signed("GET", url, wanted, keys, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert headers["authorization"].endswith(f"Signature={signature}")


def test_a_token_of_a_role_is_signed_too():
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "any", "token")
    headers = signed("GET", "https://example.org/b/f", {}, keys, "eu-west-1", datetime(2026, 1, 1, tzinfo=UTC))
    assert headers["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in headers["authorization"]


@pytest.mark.parametrize(
    ("place", "address"),
    [
        (Place("photos", region="eu-west-1"), "https://photos.s3.eu-west-1.amazonaws.com"),
        (Place("my.photos", region="eu-west-1"), "https://s3.eu-west-1.amazonaws.com/my.photos"),
        (Place("photos", "http://127.0.0.1:9/", "eu-west-1"), "http://127.0.0.1:9/photos"),
    ],
)
def test_a_bucket_is_where_boto3_looks_for_it(place, address):
    assert address_of(place) == address


@pytest.mark.parametrize("path", [b"../x", b"a/../../x", b"/x", b"a//b"])
def test_no_path_leads_out_of_the_prefix(path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    storage = open_storage("s3://bucket/prefix?endpoint_url=http://127.0.0.1:9", b"job")
    with pytest.raises(errors.BadPath):
        storage.key(path)
    assert storage.key(b"x") == "prefix/job/x"
    storage.close()


LISTING = """<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{cut}
</IsTruncated><Contents><Key>{key}</Key><Size>4</Size><ETag>"e"</ETag><LastModified>2026-11-30T12:00:00.123Z
</LastModified></Contents>{more}</ListBucketResult>""".replace("\n<", "<")


def listing(key="d/f", cut="false", more=""):
    return _page(LISTING.format(key=key, cut=cut, more=more).encode())


def test_a_page_of_a_listing_is_understood():
    noon = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()) * 10**9
    assert listing() == Page([Stored("d/f", 4, '"e"', None, noon)], "")
    assert listing(cut="true", more="<NextContinuationToken>more</NextContinuationToken>").next == "more"
    assert listing("&lt;&#233;&#13;").objects[0].key == "<\xe9\r"


@pytest.mark.parametrize(
    "page",
    [
        *[listing(cut="true"), listing(more="<NextContinuationToken>more</NextContinuationToken>")],
        *[listing("a\nb"), listing("a\rb"), listing(""), listing("\x01"), listing(more="<Contents/>")],
        *[_page(b""), _page(b"<Error/>"), _page(b"<ListBucketResult>")],
    ],
)
def test_a_page_that_may_not_be_what_it_seems_is_left_to_boto3(page):
    assert page is None


def test_what_is_read_back_is_of_the_version_that_was_written():
    wire = Wire(Place("b", "http://127.0.0.1:1", "r"), lambda: Keys("a", "s"), Http("http://127.0.0.1:1", 1))
    ask = next(wire.reading_back("f", '"etag"', 4))
    assert (ask.headers["if-match"], ask.most_bytes) == ('"etag"', 4)
