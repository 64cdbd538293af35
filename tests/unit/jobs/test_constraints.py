"""The database itself refuses impossible rows, whoever writes them."""

import uuid

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError, UniqueConstraint

from jobs import transitions
from jobs.models import Checkpoint, Job, Scan, Task
from jobs.states import TaskStatus
from tests.unit.jobs import builders

pytestmark = pytest.mark.django_db


def refused(name: str):
    """The database refuses, and says which rule was broken (SQLite names a unique index by its columns)."""
    return pytest.raises(IntegrityError, match=name)


IMPOSSIBLE_TASKS = [
    ({"status": "done"}, "task_status_known"),
    ({"status": ""}, "task_status_known"),
    ({"status": "in_progress"}, "task_in_progress_iff_owned"),
    ({"status": "failed", "reason_code": ""}, "task_failure_has_reason"),
    ({"status": "retrying", "reason_code": ""}, "task_failure_has_reason"),
    ({"status": "skipped", "reason_code": ""}, "task_failure_has_reason"),
    ({"status": "completed", "checksum": None}, "task_completed_has_checksum"),
    ({"status": "completed", "checksum": None, "kind": "symlink"}, "task_completed_has_checksum"),
    ({"epoch": -1}, "task_counts_not_negative"),
    ({"attempts": -1}, "task_counts_not_negative"),
]


@pytest.mark.parametrize(("fields", "constraint"), IMPOSSIBLE_TASKS)
def test_an_impossible_task_is_refused(job, fields, constraint):
    task = builders.put(job, "pending")
    with refused(constraint), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(**fields)
    assert Task.objects.filter(pk=task.pk).values().get()["status"] == "pending"


@pytest.mark.parametrize("status", sorted(set(TaskStatus) - {TaskStatus.IN_PROGRESS}))
def test_a_task_that_is_not_in_progress_has_no_owner(job, slave, status):
    with refused("task_in_progress_iff_owned"), transaction.atomic():
        builders.put(job, status, owner=slave)


@pytest.mark.parametrize("status", TaskStatus)
def test_every_status_has_a_possible_row(job, status):
    assert builders.put(job, status).status == status


def test_a_completed_directory_needs_no_checksum(job):
    builders.put(job, "completed", b"d/", checksum=None)


@pytest.mark.django_db(transaction=True)
def test_tasks_of_a_job_that_is_not_there_are_refused_by_their_totals():
    with pytest.raises(IntegrityError, match=r"FOREIGN KEY|jobs_counter"):
        transitions.discover(uuid.uuid4(), [builders.new_row()])
    assert not Task.objects.exists()


def test_a_slave_that_owns_a_task_is_not_deleted(job, slave):
    builders.claim_one(slave, job)
    with pytest.raises(ProtectedError):
        slave.delete()


def test_a_path_has_one_row_in_a_job_and_may_have_one_in_another(job):
    builders.put(job, "pending")
    builders.put(builders.new_job(), "pending")
    with pytest.raises(IntegrityError), transaction.atomic():
        builders.put(job, "pending")


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "stopped"}, "job_status_known"),
        ({"max_attempts": 0}, "job_max_attempts_positive"),
        ({"bytes_per_second": 0}, "job_rate_positive"),
    ],
)
def test_an_impossible_job_is_refused(job, fields, constraint):
    with refused(constraint), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**fields)


def test_a_job_has_one_unfinished_scan(job):
    scan = Scan.objects.create(job=job)
    with pytest.raises(IntegrityError), transaction.atomic():
        Scan.objects.create(job=job)
    Scan.objects.filter(pk=scan.pk).update(finished_at=scan.requested_at)
    Scan.objects.create(job=job)


def test_a_checkpoint_lies_behind_the_beginning_and_once_at_an_offset(job):
    task = builders.put(job, "pending")
    with refused("checkpoint_offset_positive"), transaction.atomic():
        Checkpoint.objects.create(task=task, offset=0, sha256=builders.DIGEST)
    Checkpoint.objects.create(task=task, offset=1, sha256=builders.DIGEST)
    with pytest.raises(IntegrityError), transaction.atomic():
        Checkpoint.objects.create(task=task, offset=1, sha256=builders.DIGEST)


@pytest.mark.parametrize("model", list(apps.get_app_config("jobs").get_models()), ids=lambda model: model.__name__)
def test_whatever_the_models_say_is_in_the_database_after_all_migrations(model):
    """Django took the unfinished scans' unique index for that of a foreign key, and away with it."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    expected = {each.name: isinstance(each, UniqueConstraint) for each in model._meta.constraints + model._meta.indexes}
    assert expected.keys() <= found.keys()
    assert all(found[name]["unique"] for name, is_unique in expected.items() if is_unique)
