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


def failed_tasks() -> QuerySet[Task]:
    """What was given up."""
    return Task.objects.filter(_IS_FAILED)


def has(tasks: QuerySet[Task]) -> Exists:
    """Whether a job (as OuterRef "pk") has one of them."""
    return Exists(tasks.filter(job=OuterRef("pk")))


def is_active() -> Q:
    """Jobs (as OuterRef "pk") with a task that is not final."""
    return Q(has(waiting_files())) | Q(has(waiting_directories())) | Q(has(tasks_in_hand()))


def is_busy_with_files() -> Q:
    """Jobs (as OuterRef "pk") with files waiting or under way, directories in hand, or a scan that may add some."""
    scanning = Scan.objects.filter(job=OuterRef("pk"), finished_at=None, is_preview=False, started_at__isnull=False)
    return Q(has(waiting_files())) | Q(has(tasks_in_hand())) | Q(Exists(scanning))


def in_status(status: TaskStatus) -> Q:
    """Tasks in this status; for those that few tasks are in, by an index."""
    texts = {
        **dict.fromkeys((TaskStatus.PENDING, TaskStatus.RETRYING), "('pending', 'retrying')"),
        **dict.fromkeys((TaskStatus.FAILED, TaskStatus.SKIPPED), "('failed', 'skipped')"),
    }
    if status is TaskStatus.FAILED:
        return _IS_FAILED
    if status is TaskStatus.IN_PROGRESS:
        return Q(owner__isnull=False)
    exact = Q(status=status)
    return Q(_condition("status", f"%(expressions)s IN {texts[status]}")) & exact if status in texts else exact


def is_large(least_bytes: int) -> Q:
    """Tasks of at least so many bytes; `least_bytes` must not be less than what the index holds."""
    return Q(_condition("size", f"%(expressions)s >= {INDEXED_SIZE_BYTES}"), size__gte=least_bytes)
