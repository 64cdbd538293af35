"""Tasks by their paths, found by the index `task_path`."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import BinaryField, Func, IntegerField, Q, QuerySet
from django.db.models.functions import Substr
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan

from jobs.counters import totals
from jobs.models import JobId, Task, TaskKind
from jobs.pages import INDEXED_PATH_BYTES
from jobs.states import TaskStatus

#: The totals of files.
_FILES = frozenset(f"{TaskKind.FILE.value}.{status.value}" for status in TaskStatus)


def _literal(number: int) -> Func:
    return Func(template=str(number), output_field=IntegerField())


#: As the index has it. The figures stand in the text of the statement: SQLite takes an index over an expression only
#: for one it can read when it plans, and would read all tasks of the job instead.
PATH_BEGIN = Substr("path", _literal(1), _literal(INDEXED_PATH_BYTES), output_field=BinaryField())
#: In the order of the index, of one job.
BY_PATH = (PATH_BEGIN.asc(), "path_sha256")


def tasks_at(job_id: JobId, paths: Sequence[bytes]) -> QuerySet[Task]:
    """The job's rows of these paths."""
    rows = Task.objects.alias(path_begin=PATH_BEGIN).filter(job_id=job_id)
    return rows.filter(path_begin__in=[path[:INDEXED_PATH_BYTES] for path in paths], path__in=paths)


def begins_with(beginning: bytes) -> Q:
    """Paths that begin so, as far as the index holds them."""
    begin = beginning[:INDEXED_PATH_BYTES]
    condition = Q(GreaterThanOrEqual(PATH_BEGIN, begin))
    beyond = begin.rstrip(b"\xff")
    if not beyond:
        return condition
    return condition & Q(LessThan(PATH_BEGIN, beyond[:-1] + bytes([beyond[-1] + 1])))


def behind(task: Task) -> Q:
    """Tasks of the same job that come after this one in `BY_PATH`."""
    begin = bytes(task.path)[:INDEXED_PATH_BYTES]
    is_behind = Q(GreaterThan(PATH_BEGIN, begin)) | Q(path_sha256__gt=bytes(task.path_sha256))
    return Q(GreaterThanOrEqual(PATH_BEGIN, begin)) & is_behind


def count_files(job_id: JobId) -> int:
    """How many files the job knows, whatever state they are in."""
    return sum(count for name, count in totals(job_id).items() if name in _FILES)
