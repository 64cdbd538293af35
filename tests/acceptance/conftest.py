"""What tests with real processes may ask for."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.people import home_of, ordinary, ourselves
from tests.acceptance.processes import Processes
from tests.acceptance.product import Product
from tests.acceptance.syncing import Cluster, OneShot
from tests.support import stack

COMPARE = Path(__file__).with_name("compare.py")


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
    product.close()


@pytest.fixture
def person():
    """Who runs the product; a module about ordinary users asks for another one."""
    return ourselves()


@pytest.fixture(scope="module")
def cluster_of(database_template, tmp_path_factory):
    """Person → a running Cluster: one for all tests of a module, which differ in their jobs."""
    with ExitStack() as ends:

        @cache
        def make(person):
            home = ends.enter_context(home_of(person))
            url = ends.enter_context(database_template.copy())
            processes = Processes(tmp_path_factory.mktemp("logs"))
            product = Product(processes, database_url=url, base=home)
            ends.callback(product.close)
            ends.enter_context(processes)
            return Cluster(product, person)

        yield make


@pytest.fixture
def base(request, person):
    """A directory that belongs to whoever runs the product; source and sink lie in it."""
    above = request.getfixturevalue("cluster_of")(person).product.base if stack.is_postgres() else None
    with home_of(person, above) as directory:
        yield directory


@pytest.fixture
def syncing(request, person, base, tmp_path):
    """`sync(source, sink)` below `base`, on this stack."""
    if stack.is_postgres():
        cluster = request.getfixturevalue("cluster_of")(person)
        yield cluster
        cluster.product.processes.report()
        return
    with Processes(tmp_path / "logs") as processes:
        yield OneShot(processes, request.getfixturevalue("used_state")(base / "state", person), person)


@pytest.fixture
def oneshot(processes, used_state, tmp_path):
    """The one-shot command; its databases lie in tmp_path/state."""
    return OneShot(processes, used_state(tmp_path / "state", ourselves()))


@pytest.fixture(scope="session")
def used_state(tmp_path_factory):
    """`make(state, person)`: where the person synced before. The very first sync of somebody makes the empty database
    that all later ones begin with, which takes longer than most of these; test_one_shot_start.py begins without."""
    home = tmp_path_factory.mktemp("used")
    (home / "source").mkdir()
    with Processes(home / "logs") as processes:
        first = OneShot(processes, home / "state").run(home / "source", home / "sink")
        assert first.code == 0, first.err
    [empty] = (home / "state" / "syncf").glob("empty-*.sqlite3")

    def make(state, person):
        directory = state / "syncf"
        directory.mkdir(mode=0o700, parents=True)
        for path in (state, directory, Path(shutil.copy2(empty, directory))):
            os.chown(path, person.uid, -1)
        return state

    return make


@pytest.fixture(scope="session")
def assert_same():
    """Assert by an independent program that two trees are the same."""

    def compare(source, sink, *options):
        command = [sys.executable, str(COMPARE), *options, os.fspath(source), os.fspath(sink)]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 0, (found.stdout + found.stderr)[:5000]

    return compare


@pytest.fixture(scope="session")
def an_ordinary_person():
    """Somebody without privileges."""
    return ordinary()
