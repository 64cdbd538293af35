"""The local file system under the storage conformance suite."""

import os
from urllib.parse import quote

import pytest

from storage_backends.local import beneath, system
from tests.conformance.storage.suite import StorageConformance


class TestLocal(StorageConformance):
    scheme = "file"

    @pytest.fixture
    def url(self, tmp_path):
        return f"file://{quote(os.fsencode(tmp_path))}"


class TestLocalOnAnOldKernel(TestLocal):
    """Without openat2 and without a syncfs that reports errors."""

    @pytest.fixture(autouse=True)
    def old_kernel(self, monkeypatch):
        monkeypatch.setattr(beneath, "has_openat2", lambda: False)
        monkeypatch.setattr(system, "has_group_commit", lambda: False)
