"""Whose an unfinished upload at a service is: only rows of ours tell, and only what no task will finish is removed."""

import pytest

from jobs import transitions, uploads
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
from tests.servers import buckets
from tests.servers.ensure import MOTO
from tests.unit.jobs import builders
from transfers.management.janitor import Owner, leftovers, remove

WHO = PartialId("0123abcd", "0" * 20, 1)


@pytest.fixture
def s3(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(buckets.write_s3_profiles(tmp_path / "credentials")))
    with buckets.s3_bucket(MOTO) as url:
        storage = open_storage(url)
        yield storage
        storage.close()


def unfinished(s3, path):
    """The token of an upload that holds a part."""
    data = memoryview(bytes(9 << 20))
    token = s3.begin_upload(path, size=len(data), attributes=Attributes(), source_version="v", partial=WHO)
    s3.resume_upload(token, WHO).write_part(0, data[: token.part_bytes])
    return token


@pytest.mark.django_db
def test_of_uploads_at_a_service_only_ours_that_no_task_will_finish_are_removed(s3):
    job, slave = builders.new_job(), builders.new_slave()
    for path in (b"failed", b"live"):
        task = builders.claim_one(slave, job, path=path, size=9 << 20)
        uploads.save_token(slave, (task.id, task.epoch), unfinished(s3, path).to_json())
        if path == b"failed":
            transitions.settle(slave, [builders.ending(task, "failed")])
    unfinished(s3, b"strangers")
    found = leftovers(s3)
    assert [(each.path, each.owner, each.size) for each in found] == [
        (b"failed", Owner.NOBODY, 8 << 20),
        (b"live", Owner.LIVE, 8 << 20),
        (b"strangers", Owner.STRANGER, 8 << 20),
    ]
    for each in found[1:]:
        with pytest.raises(ValueError):
            remove(s3, each)
    remove(s3, found[0])
    assert [each.path for each in s3.list_uploads()] == [b"live", b"strangers"]
