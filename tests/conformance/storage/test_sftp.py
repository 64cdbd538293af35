"""SFTP under the storage conformance suite, on OpenSSH."""

import pytest

from tests.conformance.storage.suite import StorageConformance
from tests.servers import buckets


class TestOpenSsh(StorageConformance):
    scheme = "sftp"

    @pytest.fixture
    def url(self):
        with buckets.sftp_directory() as url:
            yield url
