"""A bench on real directories for every test of the engine."""

import pytest

from tests.unit.engine.doubles import PART, Bench
from transfers.engine import large


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Parts of 4 KiB, a checkpoint every two parts."""
    monkeypatch.setattr(large, "CHECKPOINT_BYTES", 2 * PART)
    made = Bench(tmp_path)
    yield made
    made.storages.close()
