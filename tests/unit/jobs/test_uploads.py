"""The memory of unfinished uploads is written only for whoever owns the task at that epoch."""

import pytest
from django.db.models import F

from jobs import services, slaves, transitions, uploads
from jobs.models import Checkpoint, Job, Slave, Task, Upload
from jobs.uploads import memories
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db

DIGEST = builders.DIGEST


@pytest.fixture
def task(job, slave):
    return builders.claim_one(slave, job, size=100)


@pytest.fixture
def key(task):
    return task.id, task.epoch


def points() -> list[int]:
    return list(Checkpoint.objects.order_by("offset").values_list("offset", flat=True))


def test_what_was_saved_is_found_by_the_next_attempt(slave, task, key):
    assert uploads.save_token(slave, key, "token")
    assert uploads.save_checkpoint(slave, key, 10, DIGEST) and uploads.save_checkpoint(slave, key, 20, b"\1" * 32)
    assert uploads.save_intent(slave, key, DIGEST, "token2")
    memory = memories([task.id])[task.id]
    assert memory == ("token2", DIGEST, ((10, DIGEST), (20, b"\1" * 32)))
    assert Task.objects.get().copied_bytes == 20


def test_a_task_without_an_upload_has_no_memory(task):
    assert memories([task.id]) == {}


def test_a_checkpoint_replaces_those_at_and_behind_it(slave, key):
    for offset in (10, 20, 30):
        uploads.save_checkpoint(slave, key, offset, DIGEST)
    uploads.save_checkpoint(slave, key, 20, DIGEST)
    assert points() == [10, 20]


def test_a_new_upload_forgets_the_intent_of_the_old_one(slave, task, key):
    uploads.save_intent(slave, key, DIGEST, "old")
    uploads.save_token(slave, key, "new")
    assert memories([task.id])[task.id].intent_sha256 == b""


def test_an_empty_token_forgets_everything(slave, key):
    uploads.save_token(slave, key, "token")
    uploads.save_checkpoint(slave, key, 10, DIGEST)
    assert uploads.save_token(slave, key, "")
    assert not Upload.objects.exists() and not Checkpoint.objects.exists()


def taken_back(slave):
    transitions.reap(slave)
    return slave


def claimed_anew(slave):
    transitions.reap(slave)
    builders.claim(slave, Job.objects.get())
    return slave


def declared_offline(slave):
    Slave.objects.filter(pk=slave.pk).update(state="offline")
    return slave


def somebody_else(slave):
    return builders.new_slave()


LOST = [taken_back, claimed_anew, declared_offline, somebody_else]
WRITES = [
    lambda slave, key: uploads.save_token(slave, key, "token"),
    lambda slave, key: uploads.save_token(slave, key, ""),
    lambda slave, key: uploads.save_checkpoint(slave, key, 50, DIGEST),
    lambda slave, key: uploads.save_intent(slave, key, DIGEST, "token"),
]


@pytest.mark.parametrize("lose", LOST)
@pytest.mark.parametrize("write", WRITES, ids=["token", "no token", "checkpoint", "intent"])
def test_nothing_is_written_for_a_task_that_is_not_ours_any_more(slave, key, lose, write):
    uploads.save_token(slave, key, "before")
    uploads.save_checkpoint(slave, key, 10, DIGEST)
    writer = lose(slave)
    assert not write(writer, key)
    assert Upload.objects.values_list("token", "intent_sha256").get() == ("before", None)
    assert points() == [10]
    assert uploads.owned(writer, [key]) == set()


def test_only_the_tasks_that_are_still_ours_are_owned(job, slave, task, key):
    lost = builders.claim_one(slave, job, b"lost")
    Task.objects.filter(pk=lost.id).update(epoch=F("epoch") + 1)
    assert uploads.owned(slave, [key, (lost.id, lost.epoch), (99_999, 1)]) == {task.id}


def test_a_killed_job_publishes_nothing_more(job, slave, task, key):
    """Another job may own the sink by now."""
    services.kill_job(job, actor="user:x")
    assert uploads.owned(slave, [key]) == set()
    assert not uploads.save_intent(slave, key, DIGEST, "token")


def test_a_killed_jobs_upload_can_still_be_forgotten(job, slave, key):
    uploads.save_token(slave, key, "token")
    services.kill_job(job, actor="user:x")
    assert uploads.save_token(slave, key, "") and not Upload.objects.exists()


def test_progress_is_for_the_owner_at_its_epoch(slave, task, key):
    uploads.save_progress(slave, {key: 30, (task.id, task.epoch - 1): 99})
    uploads.save_progress(builders.new_slave(), {key: 98})
    assert Task.objects.get().copied_bytes == 30


def test_abandoned_are_the_uploads_of_final_tasks_of_jobs_the_slave_reaches(job, slave, task, key):
    uploads.save_token(slave, key, "token")
    assert uploads.abandoned(slave, 10) == []
    services.kill_job(job, actor="user:ann")
    slaves.sign_off(slave)
    slaves.reap_dead()
    transitions.cancel_batch(job)
    other = builders.new_slave(aliases=["archive"])
    assert uploads.abandoned(other, 10) == []
    [upload] = uploads.abandoned(builders.new_slave(), 10)
    uploads.forget(upload)
    assert not Upload.objects.exists()
