"""The in-memory object store under the storage conformance suite."""

import uuid

import pytest

from tests.conformance.storage.suite import StorageConformance


class TestMemory(StorageConformance):
    scheme = "memory"
    refused_names = frozenset({b"\xe9\xff", b"c\xff"})

    @pytest.fixture
    def url(self):
        return f"memory://{uuid.uuid4()}"
