"""Local storages for the unit tests."""

import os

import pytest

from storage_backends.local import LocalStorage
from tests.unit.storage_backends.faults import Faults
from tests.unit.storage_backends.sending import DATA, PLAIN, WHO


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def storage(root):
    storage = LocalStorage(os.fsencode(root))
    yield storage
    storage.close()


@pytest.fixture
def other(root):
    """The same root in another process: locks belong to open descriptors, so one process can play both."""
    storage = LocalStorage(os.fsencode(root))
    yield storage
    storage.close()


@pytest.fixture
def session(storage):
    """An upload of DATA to `d/f` that nothing was sent of yet."""
    token = storage.begin_upload(b"d/f", size=len(DATA), attributes=PLAIN, source_version="v", partial=WHO)
    session = storage.resume_upload(token, WHO)
    yield session
    session.close()


@pytest.fixture
def faults(monkeypatch):
    return Faults(monkeypatch)
