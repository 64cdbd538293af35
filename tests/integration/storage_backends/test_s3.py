"""Bytes that change on the way to S3 are refused by the server. On Swift: moto takes anything."""

from urllib.parse import urlsplit

import pytest

from storage_backends.base import Attributes, PartialId
from storage_backends.errors import ChecksumMismatch, NotFound
from storage_backends.registry import open_storage
from tests.servers import buckets
from tests.servers.ensure import SWIFT, ensure
from tests.support.counting_proxy import CountingProxy

WHO = PartialId("0123abcd", "0" * 20, 1)
MARK = b"here a byte is altered"


@pytest.fixture
def proxy():
    with CountingProxy(urlsplit(ensure(SWIFT)).port) as proxy:
        yield proxy


@pytest.fixture
def storage(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(buckets.write_s3_profiles(tmp_path / "credentials")))
    with buckets.s3_bucket(SWIFT) as url:
        port = urlsplit(ensure(SWIFT)).port
        storage = open_storage(url.replace(str(port), str(proxy.port)))
        yield storage
        storage.close()


@pytest.fixture
def altered(proxy):
    proxy.alters = lambda data: data.replace(MARK, MARK.swapcase())


def test_an_altered_part_is_refused(storage, altered):
    data = MARK + bytes(6 << 20)
    token = storage.begin_upload(b"f", size=len(data), attributes=Attributes(), source_version="v", partial=WHO)
    session = storage.resume_upload(token, WHO)
    with pytest.raises(ChecksumMismatch):
        session.write_part(0, memoryview(data))
    assert list(session.held_parts) == []
    session.abort()


@pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "boto3"])
def test_an_altered_small_object_is_refused(storage, altered, name):
    with pytest.raises(ChecksumMismatch):
        storage.write_file(name, MARK, Attributes(), WHO)
    with pytest.raises(NotFound):
        storage.get_file_info(name)


def test_what_we_sign_ourselves_is_accepted(storage, monkeypatch):
    data = bytes(range(256)) * (40 << 10)
    storage.write_file(b"plain", data, Attributes(), WHO)
    monkeypatch.setattr(storage.client.api, "get_object", None)
    assert b"".join(storage.read_file(b"plain")) == data


def test_what_is_not_altered_arrives_through_the_same_proxy(storage, proxy):
    storage.write_file(b"plain", MARK, Attributes(), WHO)
    assert b"".join(storage.read_file(b"plain")) == MARK
    assert proxy.sent_bytes > len(MARK)
