"""Small objects are on their way many at a time, by our own requests and by the SDKs, whose connections are enough."""

import threading

import pytest

from storage_backends.base import Attributes, FileInfo
from storage_backends.objects.storage import REQUESTS_IN_FLIGHT
from tests.conformance.storage.places import partial

FILES = 2 * REQUESTS_IN_FLIGHT


class Crowd:
    """Holds writes up until so many have come that are all to be under way at once."""

    def __init__(self):
        self._lock, self._here, self.is_complete = threading.Lock(), 0, threading.Event()

    def __call__(self, asked):
        if asked.method in ("PUT", "POST"):
            with self._lock:
                self._here += 1
                if self._here == REQUESTS_IN_FLIGHT:
                    self.is_complete.set()
            self.is_complete.wait(10)


@pytest.mark.parametrize("name", [b"plain%02d", b"not plain %02d"], ids=["by ourselves", "the SDK"])
def test_as_many_small_objects_are_under_way_as_may_be(service, name, caplog):
    storage, proxy = service
    names = [name % number for number in range(FILES)]
    proxy.answers = crowd = Crowd()
    batch = storage.write_batch(trusts_server=True)
    for each in names:
        batch.stage(each, b"data", Attributes(), partial(), expected="")
    batch.flush()
    published = batch.publish(names)
    assert crowd.is_complete.is_set(), "they went one after the other"
    assert all(isinstance(told, FileInfo) for told in published.values())
    assert "pool is full" not in caplog.text
