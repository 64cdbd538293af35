"""Azure Blob Storage under the storage conformance suite, on azurite."""

from types import MappingProxyType

import pytest

from tests.conformance.storage.suite import StorageConformance
from tests.servers import buckets
from tests.servers.cloud import AZURITE_KEY


class TestAzurite(StorageConformance):
    scheme = "azure"
    refused_names = frozenset({b"\xe9\xff", b"c\xff", b"new\nline", b"\\", b"..."})

    server_faults = MappingProxyType(
        dict.fromkeys(
            (
                "test_a_foreign_file_of_the_same_size_and_time_is_not_our_commit",
                "test_an_upload_that_was_overtaken_is_refused",
            ),
            "azurite takes a blob of which only blocks are there for an existing one when a Put Blob is conditional",
        )
    )

    @pytest.fixture
    def url(self, monkeypatch):
        monkeypatch.setenv("AZURE_STORAGE_KEY", AZURITE_KEY)
        with buckets.azure_container() as url:
            yield url


class TestAzuriteBySdk(TestAzurite):
    """Whatever the requests of our own do not settle goes this way: it must be as good for everything."""

    @pytest.fixture(autouse=True)
    def without_requests_of_our_own(self, monkeypatch):
        monkeypatch.setattr("storage_backends.azure.client._wire", lambda *_: None)
