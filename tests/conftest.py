"""What every test may ask for. Which database and broker they get is chosen in tests/support/stack.py."""

import gc
import os
import signal
from pathlib import Path

import environ
import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from tests.support import stack
from tests.support.databases import Template
from tests.support.queues import delete_queues
from transfers.broker.registry import open_broker

ROOT = Path(__file__).resolve().parent.parent

#: How fast a machine is and what else it does is no property of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts us in the background (`make test` does with one stack) has Ctrl-C ignored, and so would every
    # process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"stack: {stack.name()}"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave to the other pass what one is enough for: not even read, as every process of a pass reads all it has."""
    path = collection_path.relative_to(ROOT).as_posix()
    is_left_out = path.startswith(stack.ONE_STACK_DIRECTORIES) and path.endswith(".py") and stack.leaves_out(path)
    return True if is_left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what one pass is enough for."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(stack.ONE_STACK_DIRECTORIES):
            item.add_marker("one_stack")


def pytest_collection_finish() -> None:
    """What was read to know the tests stays to the end: the collector of garbage need not go through it each time."""
    gc.freeze()


@pytest.fixture(scope="session")
def database_template(tmp_path_factory):
    """Makes whole databases; for tests that need more than one."""
    directory = tmp_path_factory.getbasetemp()
    with Template(directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory) as template:
        yield template


@pytest.fixture(scope="session")
def django_db_setup(database_template):
    """The database of this process's own tests is such a copy too, and not migrated once more."""
    with database_template.copy() as url:
        connection.settings_dict["NAME"] = environ.Env.db_url_config(url)["NAME"]
        yield
        connection.close()


@pytest.fixture
def fresh_database(database_template):
    """The DATABASE_URL of a migrated database of this test's own, for the processes it starts; dropped afterwards."""
    with database_template.copy() as url:
        yield url


@pytest.fixture(autouse=True)
def queues_end_with_the_test(monkeypatch):
    """What a test declares on the stack's broker from within this process is deleted afterwards."""
    prefixes = {}

    def remember(url, *, queue_prefix):
        prefixes[queue_prefix] = url
        return open_broker(url, queue_prefix=queue_prefix)

    monkeypatch.setattr("transfers.queue.open_broker", remember)
    yield
    for prefix, url in prefixes.items():
        if url.startswith("amqp"):
            delete_queues(url, prefix)
