"""The local file system under the storage conformance suite."""

import os
from urllib.parse import quote

import pytest

from tests.conformance.storage.suite import StorageConformance


class TestLocal(StorageConformance):
    scheme = "file"

    @pytest.fixture
    def url(self, tmp_path):
        return f"file://{quote(os.fsencode(tmp_path))}"
