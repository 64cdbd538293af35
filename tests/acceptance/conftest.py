"""What tests with real processes may ask for."""

import pytest

from tests.acceptance.processes import Processes
from tests.acceptance.product import Product


@pytest.fixture
def processes(tmp_path):
    """Processes that are ended, and accounted for, when the test is over."""
    with Processes(tmp_path / "logs") as processes:
        yield processes


@pytest.fixture
def product(fresh_database, tmp_path):
    """The product on a fresh database; BASE_PATH is tmp_path/base. Starts nothing by itself, ends everything."""
    with Processes(tmp_path / "logs") as processes:
        product = Product(processes, database_url=fresh_database, base=tmp_path / "base")
        yield product
    product.forget_queues()
