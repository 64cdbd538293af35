"""The memory of unfinished uploads, fenced: each write happens only while the task is this slave's at this epoch."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from jobs import sql
from jobs.claimable import reachable
from jobs.models import Checkpoint, Slave, Task, Upload
from jobs.sealing import sealed, unsealed
from jobs.states import FINAL, JobStatus

_ALIVE = ~Q(job__status=JobStatus.KILLED)

Key = tuple[int, int]
"""(task id, epoch)"""


class Memory(NamedTuple):
    """What an earlier attempt left in the database for one task."""

    token: str
    intent_sha256: bytes
    checkpoints: tuple[tuple[int, bytes], ...]


def memories(task_ids: list[int]) -> dict[int, Memory]:
    """Task id → unfinished upload, for those that have one."""
    if not task_ids:
        return {}
    uploads = {upload.task_id: upload for upload in Upload.objects.filter(task_id__in=task_ids)}
    points: dict[int, list[tuple[int, bytes]]] = {task_id: [] for task_id in uploads}
    for row in Checkpoint.objects.filter(task_id__in=list(uploads)).order_by("task_id", "offset"):
        points[row.task_id].append((row.offset, bytes(row.sha256)))
    return {
        task_id: Memory(unsealed(upload.token), bytes(upload.intent_sha256 or b""), tuple(points[task_id]))
        for task_id, upload in uploads.items()
    }


def owned(slave: Slave, keys: Collection[Key]) -> set[int]:
    """Ids of the tasks that may be published: still this slave's at the epoch it knows, unless it was declared offline
    or the job was killed."""
    wanted = dict(keys)
    epochs = set(wanted.values())
    if len(epochs) == 1 and sql.count_owned(str(slave.pk), list(wanted), *epochs) == len(wanted):
        return set(wanted)  # as nearly always; thousands of rows less to fetch
    found = sql.owned(str(slave.pk), list(wanted))
    return {task_id for task_id, epoch in found if wanted[task_id] == epoch}


def save_token(slave: Slave, key: Key, token: str) -> bool:
    """Remember the upload before its first byte leaves; an empty token forgets it and its checkpoints."""
    with transaction.atomic():
        if not _hold(slave, key):
            return False
        if token:
            Upload.objects.update_or_create(task_id=key[0], defaults={"token": sealed(token), "intent_sha256": None})
        else:
            Checkpoint.objects.filter(task_id=key[0]).delete()
            Upload.objects.filter(task_id=key[0]).delete()
    return True


def save_checkpoint(slave: Slave, key: Key, offset: int, sha256: bytes) -> bool:
    """Bytes [0, offset) are durable and hash to `sha256`."""
    with transaction.atomic():
        if not _hold(slave, key):
            return False
        Checkpoint.objects.filter(task_id=key[0], offset__gte=offset).delete()
        Checkpoint.objects.create(task_id=key[0], offset=offset, sha256=sha256)
        Task.objects.filter(id=key[0]).update(copied_bytes=offset)
    return True


def save_intent(slave: Slave, key: Key, sha256: bytes, token: str) -> bool:
    """The partial is about to get its real name; not any more once the job is killed."""
    with transaction.atomic():
        if not _hold(slave, key) or not Task.objects.filter(_ALIVE, id=key[0]).exists():
            return False
        Upload.objects.update_or_create(task_id=key[0], defaults={"token": sealed(token), "intent_sha256": sha256})
    return True


def save_progress(slave: Slave, progress: dict[Key, int]) -> None:
    """For people to look at."""
    for (task_id, epoch), copied in progress.items():
        Task.objects.filter(id=task_id, epoch=epoch, owner=slave).update(copied_bytes=copied)


def _hold(slave: Slave, key: Key) -> bool:
    """Lock the task row; true while it is ours."""
    mine = Q(id=key[0], epoch=key[1], owner=slave) & ~Q(owner__state=Slave.State.OFFLINE)
    return Task.objects.filter(mine).select_for_update(of=("self",)).first() is not None


def abandoned(slave: Slave, limit: int) -> list[Upload]:
    """Unfinished uploads of tasks that are final (killed jobs, mostly), whose partials this slave can remove."""
    final = Upload.objects.filter(reachable(slave, "task__job__"), task__status__in=FINAL)
    final = final.order_by("?")  # one that can't be removed must not keep the others waiting
    return list(final.select_related("task__job")[:limit])


def forget(upload: Upload) -> None:
    """The partial is removed and nothing of the upload is left, unless the task was retried meanwhile."""
    with transaction.atomic():
        final = Task.objects.filter(pk=upload.task_id, status__in=FINAL).select_for_update()
        if final.exists():
            Checkpoint.objects.filter(task_id=upload.task_id).delete()
            Upload.objects.filter(pk=upload.pk).delete()
