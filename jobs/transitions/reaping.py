"""Taking back what a dead slave owned, fenced by a new epoch."""

from __future__ import annotations

import uuid
from collections import Counter as Multiset
from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.counters import Tally
from jobs.models import Slave, Task, TaskKind
from jobs.states import TaskStatus
from jobs.transitions.batches import BATCH_TASKS, leave_to_housekeeping, record_batch


def reap(slave: Slave) -> int:
    """Take back, fenced by a new epoch, a batch of what a dead slave owned; returns how many."""
    with transaction.atomic():
        rows = list(
            Task.objects.filter(owner=slave)
            .order_by("id")
            .select_for_update(skip_locked=True, of=("self",))
            .values_list("id", "job_id", "kind", "size", "attempts", "job__max_attempts")[:BATCH_TASKS]
        )
        exhausted = {row[0] for row in rows if row[4] >= row[5]}
        _take_back([row[0] for row in rows if row[0] not in exhausted], TaskStatus.RETRYING)
        _take_back(list(exhausted), TaskStatus.FAILED)
        leave_to_housekeeping(row[0] for row in rows if row[0] in exhausted and row[2] != TaskKind.DIRECTORY)
        _record_reaped(slave, rows, exhausted)
    return len(rows)


def _take_back(ids: list[int], status: TaskStatus) -> None:
    Task.objects.filter(id__in=ids, status=TaskStatus.IN_PROGRESS).update(
        status=status,
        owner=None,
        epoch=F("epoch") + 1,
        not_before=None,
        completed_at=Now() if status == TaskStatus.FAILED else None,
        reason_code="LEASE_EXPIRED",
        reason_text="The slave died or froze while it worked on this file.",
    )


def _record_reaped(
    slave: Slave, rows: Sequence[tuple[int, uuid.UUID, str, int, int, int]], exhausted: set[int]
) -> None:
    tally = Tally()
    for task_id, job_id, kind, size, *_ in rows:
        target = TaskStatus.FAILED if task_id in exhausted else TaskStatus.RETRYING
        tally.move(job_id, kind, size, TaskStatus.IN_PROGRESS, target)
    tally.write()
    text = f"{slave.name} on {slave.host} (pid {slave.pid}) stopped renewing its lease"
    record_batch(Multiset(row[1] for row in rows), "scheduler", "reap", ("LEASE_EXPIRED", text))


def let_go(slave: Slave, held: Collection[int]) -> int:
    """Tasks of this slave that it does not hold (a claim whose answer was lost) wait again, with their attempt given
    back; returns how many of a batch."""
    owned = Task.objects.filter(owner=slave)
    ids = [task_id for task_id in owned.values_list("id", flat=True) if task_id not in held][:BATCH_TASKS]
    if not ids:
        return 0
    with transaction.atomic():
        locked = owned.filter(id__in=ids).order_by("id").select_for_update(of=("self",))
        strays = list(locked.values_list("id", "job_id", "kind", "size"))
        Task.objects.filter(id__in=[row[0] for row in strays]).update(
            status=TaskStatus.PENDING, owner=None, epoch=F("epoch") + 1, attempts=F("attempts") - 1
        )
        tally = Tally()
        for _, job_id, kind, size in strays:
            tally.move(job_id, kind, size, TaskStatus.IN_PROGRESS, TaskStatus.PENDING)
        tally.write()
    return len(strays)
