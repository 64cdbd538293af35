"""What is not at the sink when a one-shot sync ends."""

from __future__ import annotations

from operator import attrgetter

from jobs.models import Job, Task
from jobs.states import TaskStatus
from jobs.waiting import by_kind, in_status


def failed_tasks(job: Job) -> list[Task]:
    """What did not arrive and is still at the source, in the order of the catalogue."""
    here = Task.objects.filter(job=job, gone_at=None)
    wrong = [task for status in (TaskStatus.FAILED, TaskStatus.RETRYING) for task in here.filter(in_status(status))]
    return sorted(wrong, key=attrgetter("id"))


def unfinished_tasks(job: Job) -> int:
    """How many were not even tried to their end: the job was paused or killed, or the sync interrupted."""
    tasks = Task.objects.filter(job=job)
    stopped = (tasks.filter(in_status(status)) for status in (TaskStatus.IN_PROGRESS, TaskStatus.CANCELLED))
    return sum(found.count() for found in (*by_kind(tasks.filter(in_status(TaskStatus.PENDING))), *stopped))
