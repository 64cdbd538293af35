"""Storages on an account that nobody has. No service is asked anything."""

import pytest

from storage_backends.azure.opening import VARIABLES
from storage_backends.registry import open_storage
from tests.unit.storage_backends.azure.account import EMULATOR, KEY


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A key, and nothing else of this machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)


@pytest.fixture
def opened():
    """Opens storages and closes them afterwards."""
    storages = []

    def opened(url, path=b""):
        storages.append(open_storage(url, path))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened):
    return opened(f"azure://account1/container/team{EMULATOR}", b"job")
