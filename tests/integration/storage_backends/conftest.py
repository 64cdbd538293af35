"""A bucket of this test's own behind a server that can be told to misbehave."""

import pytest

from storage_backends.registry import open_storage
from tests.support.gcs import emulator_url, new_bucket
from tests.support.strict_gcs import StrictGcs


@pytest.fixture
def strict_gcs():
    with StrictGcs(emulator_url()) as strict:
        yield strict


@pytest.fixture
def gcs_url(strict_gcs):
    return new_bucket(strict_gcs.url)


@pytest.fixture
def open_gcs(gcs_url):
    """Opens one more storage on the bucket, as another process would."""
    opened = []

    def open_gcs():
        opened.append(open_storage(gcs_url))
        return opened[-1]

    yield open_gcs
    for storage in opened:
        storage.close()


@pytest.fixture
def gcs(open_gcs):
    return open_gcs()
