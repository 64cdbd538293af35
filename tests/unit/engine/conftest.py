"""A bench on real directories for every test of the engine, and a big file on it."""

import pytest

from tests.unit.engine.doubles import BIG, PART, Bench, pattern
from transfers.engine import large


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Parts of 4 KiB, a checkpoint every two parts."""
    monkeypatch.setattr(large, "CHECKPOINT_BYTES", 2 * PART)
    made = Bench(tmp_path)
    yield made
    made.storages.close()


@pytest.fixture
def big(bench):
    """A file of ten parts and a bit, and its first attempt."""
    bench.write("big", pattern(BIG))
    return bench.work(1, "big")
