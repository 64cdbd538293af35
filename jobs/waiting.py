"""What is waiting, under way or failed, as conditions that a partial index answers.

The states stand in the text of the statement: SQLite takes a partial index only for a condition it can read when it
plans, and a bound parameter is none. Without it every look for work would read all tasks of the job.
"""

from __future__ import annotations

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs.models import INDEXED_SIZE_BYTES, Scan, Task
from jobs.states import TaskStatus


def _condition(column: str, template: str) -> Func:
    return Func(F(column), template=template, output_field=BooleanField())


_IS_WAITING = Q(_condition("status", "%(expressions)s IN ('pending', 'retrying')"))
_IS_FAILED = Q(_condition("status", "%(expressions)s = 'failed'"))
_IS_SKIPPED = Q(_condition("status", "%(expressions)s = 'skipped'"))
_IS_CANCELLED = Q(_condition("status", "%(expressions)s = 'cancelled'"))
_IS_GIVEN_UP = _IS_FAILED | _IS_SKIPPED | _IS_CANCELLED
_IS_DIRECTORY = Q(_condition("kind", "%(expressions)s = 'directory'"))
_IS_NO_DIRECTORY = Q(_condition("kind", "NOT (%(expressions)s = 'directory')"))
_IS_DUE = Q(not_before__isnull=True) | Q(not_before__lte=Now())


def waiting_files() -> QuerySet[Task]:
    """Files and links that wait for a slave, now or later."""
    return Task.objects.filter(_IS_WAITING, _IS_NO_DIRECTORY)


def waiting_directories() -> QuerySet[Task]:
    """Directories that wait for a slave, now or later."""
    return Task.objects.filter(_IS_WAITING, _IS_DIRECTORY)


def due_files() -> QuerySet[Task]:
    """Files and links that may be claimed now, if their job may."""
    return waiting_files().filter(_IS_DUE)


def due_directories() -> QuerySet[Task]:
    """Directories that may be claimed now, if their job may."""
    return waiting_directories().filter(_IS_DUE)


def tasks_in_hand() -> QuerySet[Task]:
    """What a slave works on."""
    return Task.objects.filter(owner__isnull=False)


def scans_under_way() -> QuerySet[Scan]:
    """Those that may add files."""
    return Scan.objects.filter(finished_at=None, is_preview=False, started_at__isnull=False)


def failed_tasks() -> QuerySet[Task]:
    """What was given up."""
    return Task.objects.filter(_IS_FAILED)


def is_given_up() -> Q:
    """Tasks that ended without being at the sink."""
    return _IS_GIVEN_UP


def has(tasks: QuerySet[Task]) -> Exists:
    """Whether a job (as OuterRef "pk") has one of them."""
    return Exists(tasks.filter(job=OuterRef("pk")))


def is_active() -> Q:
    """Jobs (as OuterRef "pk") with a task that is not final."""
    return Q(has(waiting_files())) | Q(has(waiting_directories())) | Q(has(tasks_in_hand()))


def is_unsettled() -> Q:
    """Jobs (as OuterRef "pk") with a task that is not completed."""
    return is_active() | Q(has(Task.objects.filter(_IS_GIVEN_UP)))


def is_busy_with_files() -> Q:
    """Jobs (as OuterRef "pk") with files waiting or under way, directories in hand, or a scan that may add some."""
    scanning = scans_under_way().filter(job=OuterRef("pk"))
    return Q(has(waiting_files())) | Q(has(tasks_in_hand())) | Q(Exists(scanning))


#: As the partial indexes have it.
_INDEXED = {
    TaskStatus.PENDING: _IS_WAITING,
    TaskStatus.RETRYING: Q(_condition("status", "%(expressions)s = 'retrying'")),
    TaskStatus.FAILED: _IS_FAILED,
    TaskStatus.SKIPPED: _IS_SKIPPED,
    TaskStatus.CANCELLED: _IS_CANCELLED,
    TaskStatus.IN_PROGRESS: Q(owner__isnull=False),
}


def in_status(status: TaskStatus) -> Q:
    """Tasks in this status; for those that few tasks are in, by an index that holds them in the order of id. Those
    that are pending are in two: say of which kind, too."""
    return _INDEXED.get(status, Q()) & Q(status=status)


def is_indexed(status: str) -> bool:
    """Whether tasks in this status are found by an index of their own."""
    return status in _INDEXED


def by_kind(tasks: QuerySet[Task]) -> tuple[QuerySet[Task], QuerySet[Task]]:
    """(files and links, directories) of these."""
    return tasks.filter(_IS_NO_DIRECTORY), tasks.filter(_IS_DIRECTORY)


def is_large(least_bytes: int) -> Q:
    """Tasks of at least so many bytes; `least_bytes` must not be less than what the index holds."""
    return Q(_condition("size", f"%(expressions)s >= {INDEXED_SIZE_BYTES}"), size__gte=least_bytes)
