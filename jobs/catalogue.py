"""Tasks by their paths."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Substr

from jobs.counters import totals
from jobs.models import INDEXED_PATH_BYTES, JobId, Task, TaskKind
from jobs.states import TaskStatus

#: The totals of files.
_FILES = frozenset(f"{TaskKind.FILE.value}.{status.value}" for status in TaskStatus)


def tasks_at(job_id: JobId, paths: Sequence[bytes]) -> QuerySet[Task]:
    """The job's rows of these paths, found by the index `task_path`."""
    begin = Substr("path", 1, INDEXED_PATH_BYTES, output_field=BinaryField())
    rows = Task.objects.alias(path_begin=begin).filter(job_id=job_id)
    return rows.filter(path_begin__in=[path[:INDEXED_PATH_BYTES] for path in paths], path__in=paths)


def count_files(job_id: JobId) -> int:
    """How many files the job knows, whatever state they are in."""
    return sum(count for name, count in totals(job_id).items() if name in _FILES)
