"""Keys that are no paths, or clash as file and directory: each has a reason, and the others go on."""

import os

import pytest

from tests.acceptance import clouds
from tests.acceptance.processes import eventually
from tests.servers.buckets import S3_PROFILES
from tests.servers.ensure import MOTO, ensure


@pytest.fixture
def places(product, tmp_path):
    with clouds.storages(tmp_path) as variables:
        product.environment.update(variables)
        yield variables


def reasons(product, job):
    rows = product.rows("SELECT path_display, status, reason_code FROM jobs_task WHERE job_id = %s", job)
    return {row["path_display"]: (row["status"], row["reason_code"]) for row in rows}


def sync(product, source, sink, **options):
    job = product.create_job("x", "y", source_type=source, sink_type=sink, **options)
    eventually(lambda: product.job(job)["status"] == "completed", 60, "the job to complete")
    return job


def test_keys_a_disk_can_not_hold_fail_alone(product, places):
    import boto3

    bucket = places["STORAGE_S3"].removeprefix("s3://").partition("?")[0]
    _, key, secret = S3_PROFILES[MOTO.name]
    client = boto3.client("s3", endpoint_url=ensure(MOTO), aws_access_key_id=key, aws_secret_access_key=secret)
    for name in ("x/a", "x/a/b", "x/c//d", "x/../e", "x/good", "x/folder/"):
        client.put_object(Bucket=bucket, Key=name, Body=b"" if name.endswith("/") else name.encode())
    client.close()
    product.start_scheduler()
    product.start_slave()
    job = sync(product, "s3", "local")
    found = reasons(product, job)
    assert found["good"][0] == "completed" and (product.base / "y/good").read_bytes() == b"x/good"
    assert sorted(found[name][0] for name in ("a", "a/b")) == ["completed", "failed"]
    assert {"SINK_KIND_CONFLICT"} == {code for name in ("a", "a/b") if (code := found[name][1])}
    assert found["c//d"] == ("failed", "SOURCE_BAD_PATH")
    assert not (product.base / "e").exists() and "../e" in found


def test_names_a_bucket_can_not_hold_fail_alone(product, places):
    (product.base / "x").mkdir()
    os.symlink("good", product.base / "x/link")
    for name in (b"good", b"\xff", b"d" * 250):
        (product.base / "x" / os.fsdecode(name)).write_bytes(name)
    deep = product.base / "x" / "/".join(["n" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"deep")
    product.start_scheduler()
    product.start_slave()
    job = sync(product, "local", "s3")
    found = reasons(product, job)
    assert found["good"][0] == found["d" * 250][0] == "completed"
    assert found["\\xFF"] == ("failed", "SINK_BAD_PATH")
    assert found["link"] == ("skipped", "SINK_NO_SYMLINKS")
    assert found["/".join(["n" * 200] * 6) + "/f"] == ("failed", "SINK_NAME_TOO_LONG")
    warned = product.rows("SELECT text FROM jobs_jobevent WHERE job_id = %s AND action = 'warn'", job)
    assert any("Symbolic links are skipped" in row["text"] for row in warned)
