"""No job may feed itself: source and sink must not overlap, nor two sinks, nor may jobs form a circle.

Roots are compared by what they *are* (device and inode of the root and of every parent; bucket and prefix), not by
how they are spelled, so links and bind mounts do not hide an overlap.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q

from jobs.errors import Conflict, Refusal
from jobs.models import Job, Task
from jobs.states import UNFINISHED_JOB
from jobs.storages import Root, job_root, opened
from storage_backends.base import RootIdentity
from storage_backends.errors import StorageError

log = logging.getLogger(__name__)

Roots = tuple[RootIdentity, RootIdentity]


def refuse_overlap(source: RootIdentity, sink: RootIdentity) -> None:
    """Raise if the two sides of one job are the same place or one contains the other."""
    if source.overlaps(sink):
        hint = "Choose two directories neither of which contains the other."
        raise Refusal("PATHS_OVERLAP", "Source and sink overlap.", field="sink_path", hint=hint)


def refuse_clash(
    source: RootIdentity, sink: RootIdentity, *, ignore: Job | None, name: Callable[[Job], str] = str
) -> None:
    """Raise if the sink overlaps another unfinished job's sink, or the jobs would form a circle. `name` says how the
    other job is called in the refusal."""
    others = list(_unfinished(ignore))
    for job, (_, other_sink) in others:
        if sink.overlaps(other_sink):
            raise Conflict(
                "PATHS_OVERLAP",
                f"The sink overlaps the sink of {name(job)}.",
                field="sink_path",
                hint="Kill that job first, or choose another sink.",
            )
    _refuse_cycle(source, sink, others, name)


def _refuse_cycle(
    source: RootIdentity, sink: RootIdentity, others: list[tuple[Job, Roots]], name: Callable[[Job], str]
) -> None:
    reached, left = [sink], list(others)
    while reached:
        place = reached.pop()
        for item in [item for item in left if item[1][0].overlaps(place)]:
            left.remove(item)
            if item[1][1].overlaps(source):
                message = f"Together with {name(item[0])} this job would form a circle."
                hint = "Chains are fine, circles never end."
                raise Conflict("JOBS_FORM_A_CYCLE", message, field="sink_path", hint=hint)
            reached.append(item[1][1])


def _unfinished(ignore: Job | None) -> list[tuple[Job, Roots]]:
    owned = Task.objects.filter(job=OuterRef("pk"), owner__isnull=False)  # a killed job's copies still end
    jobs = Job.objects.filter(Q(status__in=UNFINISHED_JOB) | Exists(owned))
    if ignore is not None:
        jobs = jobs.exclude(pk=ignore.pk)
    found = []
    for job in jobs:
        try:
            found.append((job, (_locate(job_root(job, "source")), _locate(job_root(job, "sink")))))
        except (Refusal, StorageError) as error:
            log.warning("job %s is left out of the overlap check: %s", job.id, error)
    return found


def _locate(root: Root) -> RootIdentity:
    """Of another job only where its roots lie is asked: its storage may be far away, or down."""
    with opened(root) as storage:
        return RootIdentity(storage.location(), "", is_empty=False, exists=True)


def identify(root: Root) -> RootIdentity:
    """Where a root really lies; raises StorageError."""
    with opened(root) as storage:
        return storage.root_identity()
