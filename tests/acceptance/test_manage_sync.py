"""`manage.py sync` in an installation of one's own: its database, its broker, its storages, its BASE_PATH."""

import sys

import pytest

from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT


@pytest.fixture
def sync(product):
    """Run the command in BASE_PATH's directory `here`."""
    (product.base / "here").mkdir()

    def run(*arguments, **variables):
        command = [sys.executable, str(ROOT / "manage.py"), "sync", "--json", *arguments]
        environment = {**product.environment, **variables}
        process = product.processes.start(command, environment, cwd=product.base / "here")
        process.wait(60)
        return process

    return run


def test_a_path_is_relative_to_where_the_caller_stands(product, sync, assert_same):
    plant(product.base / "here/source", b"file")
    process = sync("source", "../sink")
    assert process.code == 0, process.err
    assert_same(product.base / "here/source", product.base / "sink")
    assert product.value("SELECT status FROM jobs_job") == "completed"
    assert product.value("SELECT count(*) AS n FROM jobs_task WHERE status <> 'completed'") == 0


def test_a_storage_may_be_named_and_a_colon_without_one_is_part_of_the_name(product, sync, tmp_path, assert_same):
    plant(product.base / "here/not:a storage", b"file")
    process = sync("not:a storage", "archive:deep/er", STORAGE_ARCHIVE=(tmp_path / "archive").as_uri())
    assert process.code == 2, process.err  # the storage's root is not there: perhaps a disk that is not mounted
    (tmp_path / "archive").mkdir()
    process = sync("not:a storage", "archive:deep/er", STORAGE_ARCHIVE=(tmp_path / "archive").as_uri())
    assert process.code == 0, process.err
    assert_same(product.base / "here/not:a storage", tmp_path / "archive/deep/er")


def test_outside_base_path_is_refused(product, sync, tmp_path):
    plant(tmp_path / "outside", b"file")
    process = sync(str(tmp_path / "outside"), "sink")
    assert process.code == 2
    assert "is not below BASE_PATH" in process.err and "STORAGE_" in process.err
    assert not (product.base / "here/sink").exists()
