"""Small objects are read back from the service, many at once: what is not what was written is found, nothing else."""


import pytest

from storage_backends.base import Attributes, FileInfo
from storage_backends.errors import ChecksumMismatch
from tests.conformance.storage.places import partial, put
from tests.unit.engine.doubles import sha256

NAMES = [b"d/f%02d" % number for number in range(40)]
KEPT_WRONG = {NAMES[7], NAMES[39]}


@pytest.mark.parametrize("size", [5, 100_000], ids=["by talks", "by threads"])
def test_an_object_that_is_read_back_otherwise_is_found_among_the_others(service, size):
    storage, proxy = service
    data = {name: name * (size // len(name) + 1) for name in NAMES}
    wrong = {data[name]: data[name][:-1] + b"?" for name in KEPT_WRONG}

    def answers(asked):
        true = proxy.forward(asked) if asked.method == "GET" else None
        return true and true._replace(body=wrong.get(true.body, true.body))

    proxy.answers = answers
    batch = storage.write_batch()
    for name in NAMES:
        batch.stage(name, data[name], Attributes(), partial(), expected="")
    batch.flush()
    published = batch.publish(NAMES)
    assert {name for name, told in published.items() if isinstance(told, ChecksumMismatch)} == KEPT_WRONG
    assert sum(isinstance(told, FileInfo) for told in published.values()) == len(NAMES) - len(KEPT_WRONG)


@pytest.mark.parametrize("name", [b"plain", b"not plain"], ids=["by ourselves", "the SDK"])
def test_the_sha256_of_a_small_object_is_kept_with_it(service, name):
    storage, _ = service
    data = b"whatever it holds"
    put(storage, name, data)
    assert storage.get_file_info(name).sha256 == storage.read_whole(name, 100)[0].sha256 == sha256(data)
