"""The suite against real services, for whoever has them; without the variables nothing is collected here.

LIVE_S3_URL, LIVE_GCS_URL and LIVE_AZURE_URL name a storage each, in which every test makes a prefix of its own and
removes what it left. Credentials are those of the SDK's own chain.
"""

import os
import secrets
from urllib.parse import urlsplit

import pytest

from storage_backends.base import FileInfo
from storage_backends.registry import open_storage
from tests.conformance.storage.suite import StorageConformance


class Live(StorageConformance):
    scheme = ""
    variable: str

    @pytest.fixture
    def url(self):
        parts = urlsplit(os.environ[self.variable])
        url = parts._replace(path=f"{parts.path.rstrip('/')}/syncf-{secrets.token_hex(8)}").geturl()
        yield url
        storage = open_storage(url)
        for entry in list(storage.list_files()):
            if isinstance(entry, FileInfo):
                storage.delete_file(entry.path)
        storage.close()


class TestLiveS3(Live):
    __test__ = "LIVE_S3_URL" in os.environ
    scheme, variable = "s3", "LIVE_S3_URL"
    refused_names = frozenset({b"\xe9\xff", b"c\xff"})


class TestLiveGcs(Live):
    __test__ = "LIVE_GCS_URL" in os.environ
    scheme, variable = "gs", "LIVE_GCS_URL"
    refused_names = frozenset({b"\xe9\xff", b"c\xff", b"new\nline"})


class TestLiveAzure(Live):
    __test__ = "LIVE_AZURE_URL" in os.environ
    scheme, variable = "azure", "LIVE_AZURE_URL"
    refused_names = frozenset({b"\xe9\xff", b"c\xff", b"new\nline", b"\\", b"..."})
