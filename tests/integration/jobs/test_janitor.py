"""Whose an unfinished upload at a service is: only rows of ours tell, and only what no task will finish is removed."""

from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from jobs import transitions, uploads
from jobs.services import installation
from storage_backends.base import Attributes, PartialId
from storage_backends.registry import open_storage
from tests.acceptance.clouds import sftp_place
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


@pytest.mark.django_db
def test_of_partials_over_sftp_only_ours_that_no_task_will_finish_are_removed():
    job, slave, ours = builders.new_job(), builders.new_slave(), installation().identifier
    tasks = {path: builders.claim_one(slave, job, path=path, size=9) for path in (b"d/failed", b"d/live")}
    transitions.settle(slave, [builders.ending(tasks[b"d/failed"], "failed")])
    partials = {path: PartialId.of(ours, str(job.pk), path, 1).name.decode() for path in tasks}
    partials[b"d/strangers"] = WHO.name.decode()
    url = sftp_place()
    folder = Path(unquote(urlsplit(url).path)) / "d"
    folder.mkdir()
    for path, name in partials.items():
        (folder / name).write_bytes(path)
    with closing(open_storage(url)) as storage:
        found = {each.path: each for each in leftovers(storage)}
        told = {path: found[f"d/{name}".encode()] for path, name in partials.items()}
        owners = {path: (each.owner, each.size) for path, each in told.items()}
        assert owners == {
            b"d/failed": (Owner.NOBODY, 8),
            b"d/live": (Owner.LIVE, 6),
            b"d/strangers": (Owner.STRANGER, 11),
        }
        for path in (b"d/live", b"d/strangers"):
            with pytest.raises(ValueError):
                remove(storage, told[path])
        remove(storage, told[b"d/failed"])
    assert {each.name for each in folder.iterdir()} == {partials[b"d/live"], partials[b"d/strangers"]}


@pytest.mark.django_db
def test_a_new_directory_that_a_killed_attempt_left_is_in_use_until_all_below_it_is_final(tmp_path):
    job, slave = builders.new_job(), builders.new_slave()
    task = builders.claim_one(slave, job, path=b"new/deep/file", size=4)
    (tmp_path / "old").mkdir()
    for folder in ("new", "old/newer"):
        tree = PartialId.of_directory(installation().identifier, folder.encode(), 7).name
        where = (tmp_path / folder).with_name(tree.decode())
        where.mkdir()
        (where / "file").write_bytes(b"data")
    (tmp_path / PartialId.of_directory("ffffffff", b"new", 7).name.decode()).mkdir()
    with closing(open_storage(f"file://{tmp_path}")) as storage:
        found = {(each.path.count(b"/"), each.owner, each.size) for each in leftovers(storage)}
        assert found == {(0, Owner.LIVE, 4), (1, Owner.NOBODY, 4), (0, Owner.STRANGER, 0)}
        transitions.settle(slave, [builders.ending(task, "failed")])
        for each in leftovers(storage):
            if each.owner is Owner.NOBODY:
                remove(storage, each)
        assert [each.owner for each in leftovers(storage)] == [Owner.STRANGER]
    assert not list((tmp_path / "old").iterdir())
