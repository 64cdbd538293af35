"""`manage.py janitor` tells whose unfinished uploads are, and removes only what is nobody's."""

import subprocess
import sys

import pytest

from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
from tests.acceptance import clouds
from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT, eventually

OTHERS = PartialId("ffffffff", "f" * 20, 1)


@pytest.fixture
def janitor(product):
    def janitor(*arguments, code=0):
        command = [sys.executable, str(ROOT / "manage.py"), "janitor", *arguments]
        done = subprocess.run(command, env=product.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout

    return janitor


def partial_of(product, job, name, epoch):
    installation = product.value("SELECT identifier FROM jobs_installation")
    return product.base / "sink" / PartialId.of(installation, str(job), name, epoch).name.decode()


def test_a_partial_that_no_live_task_owns_is_removed_and_a_strangers_is_not(product, janitor):
    plant(product.base / "source", b"done")
    job = product.create_job("source", "sink")
    product.start_scheduler()
    product.start_slave()
    eventually(lambda: product.job(job)["status"] == "completed", 30, "the job to complete")
    forgotten, strangers = partial_of(product, job, b"done", 1), product.base / "sink" / OTHERS.name.decode()
    for partial in (forgotten, strangers):
        partial.write_bytes(b"x" * 2048)
    told = janitor("local")
    assert f"left over      2.0 KiB  local:sink/{forgotten.name}" in told
    assert f"stranger's     2.0 KiB  local:sink/{strangers.name}" in told
    assert forgotten.exists() and strangers.exists()
    assert "removed        2.0 KiB" in janitor("local", "--remove")
    assert not forgotten.exists() and strangers.exists()
    assert (product.base / "sink/done").exists()


def test_a_partial_of_a_task_that_will_go_on_is_in_use(product, janitor):
    plant(product.base / "source", b"big", bytes(24 << 20))
    product.create_job("source", "sink", bytes_per_second=4 << 20)
    product.start_scheduler()
    slave = product.start_slave()
    eventually(lambda: list((product.base / "sink").glob(".syncf-*")), 30, "a partial")
    slave.kill()
    [partial] = (product.base / "sink").glob(".syncf-*")
    assert f"local:sink/{partial.name}" in janitor("local", "--remove")
    assert "in use" in janitor("local")
    assert partial.exists()


def test_uploads_at_a_service_that_no_row_knows_are_strangers(product, janitor, tmp_path, monkeypatch):
    with clouds.storages(tmp_path) as variables:
        product.environment.update(variables)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", variables["AWS_SHARED_CREDENTIALS_FILE"])
        storage = open_storage(variables["STORAGE_S3"])
        data = bytes(storage.capabilities.preferred_part_bytes * 2)
        token = storage.begin_upload(b"f", size=len(data), attributes=Attributes(), source_version="v", partial=OTHERS)
        storage.resume_upload(token, OTHERS).write_part(0, memoryview(data)[: token.part_bytes])
        told = janitor("s3", "gcs", "azure", "--remove")
        assert "stranger's     8.0 MiB  s3:f" in told
        for alias in ("gcs", "azure"):
            assert f"{alias}: this service can't list them; it forgets them by itself after 7 days" in told
        assert [info.path for info in storage.list_uploads()] == [b"f"]
        storage.close()


def test_a_storage_that_is_not_configured_is_told(janitor):
    janitor("nowhere", code=2)
