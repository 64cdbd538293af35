"""S3 under the storage conformance suite: on moto, and on Swift, which refuses wrong checksums."""

from types import MappingProxyType

import pytest

from storage_backends.objects.shorter import ShorterWay
from tests.conformance.storage.suite import StorageConformance
from tests.servers import buckets
from tests.servers.ensure import MOTO, SWIFT, Kind


class S3Conformance(StorageConformance):
    scheme = "s3"
    refused_names = frozenset({b"\xe9\xff", b"c\xff"})
    server: Kind

    @pytest.fixture
    def url(self, tmp_path_factory, monkeypatch):
        profiles = buckets.write_s3_profiles(tmp_path_factory.mktemp("aws") / "credentials")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
        with buckets.s3_bucket(self.server) as url:
            yield url


class TestMoto(S3Conformance):
    server = MOTO
    server_faults = MappingProxyType({"[new\\nline]": "moto finds no route for a key with a line feed"})


class TestMotoBySdk(TestMoto):
    """Whatever the requests of our own do not settle goes this way: it must be as good for everything."""

    @pytest.fixture(autouse=True)
    def without_requests_of_our_own(self, monkeypatch):
        monkeypatch.setattr("storage_backends.s3.client.shorter_way", lambda *_: ShorterWay())


class TestSwift(S3Conformance):
    server = SWIFT
