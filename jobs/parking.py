"""Why no claim of a running job succeeds although nobody paused it, and what ends that.

* Its roots are not what they were (an unmounted disk): the scan that finds them in order ends it.
* Its sink is full: the slave that met it parks the job, so that it is not tried with one file after the other. Where
  only big files do not fit, the job is parked once no other is left: those go on meanwhile. A
  scheduler looks every `ROOM_SECONDS`, and lets it go on once there is room for what did not fit, or something that
  fits has come. Where nobody can tell
  how much room there is (a quota, another server), it is let go on as often, and parked again if that was too early.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce, Now

from jobs import troubles
from jobs.errors import Refusal
from jobs.models import Job, JobEvent
from jobs.states import UNFINISHED_JOB
from jobs.storages import job_root, opened
from jobs.waiting import scans_under_way, waiting_files
from storage_backends.errors import StorageError

QUOTA = "SINK_QUOTA_EXCEEDED"
FULL = frozenset({"SINK_NO_SPACE", QUOTA})
"""Reason codes of a file that found its sink full."""
ROOM_SECONDS = 30.0
GOES_ON = " The job goes on by itself."
"""How what is said of a full sink ends. (A one-shot sync does not: docs/commands.md.)"""


class Lack(NamedTuple):
    """What did not fit."""

    code: str
    path: str
    """For people."""
    bytes_needed: int


def park(job: Job, code: str, text: str) -> None:
    """No claim succeeds until a scan finds the job's roots in order. The job's own status stays."""
    with transaction.atomic():
        others = Job.objects.filter(pk=job.pk).exclude(parked_code=code)
        if others.update(parked_code=code, parked_text=text, parked_bytes=None, parked_until=None):
            JobEvent.objects.create(job=job, actor="scheduler", action="park", reason_code=code, text=text)
            troubles.note_parking(job, code, text)


def roots_are_in_order(job: Job) -> None:
    """Ends the parking that only a scan can end; a sink that was full may still be."""
    _go_on(Job.objects.filter(pk=job.pk).exclude(parked_code__in=FULL), job, "scheduler")


def park_full(job: Job, lack: Lack, *, actor: str) -> None:
    """No claim succeeds until there is room at the sink. Does nothing if the job is parked already, or while files wait
    that fit where this one is too big."""
    room = _free_bytes(job)
    if room is not None and room < lack.bytes_needed and _others_fit(job, room):
        return
    text = _text(job, lack, room)
    free = Job.objects.filter(pk=job.pk, parked_code="", status__in=UNFINISHED_JOB)
    with transaction.atomic():
        if free.update(parked_code=lack.code, parked_text=text, parked_bytes=lack.bytes_needed, parked_until=_later()):
            JobEvent.objects.create(job=job, actor=actor, action="park", reason_code=lack.code, text=text)
            troubles.note_parking(job, lack.code, text)


def park_if_full(job: Job, *, actor: str) -> bool:
    """Park it if nothing is left but files that found no room and wait for their next try; whether it is so."""
    files = waiting_files().filter(job=job)
    refused = files.filter(reason_code__in=FULL, not_before__isnull=False)
    if not refused.exists() or files.exclude(reason_code__in=FULL, not_before__isnull=False).exists():
        return False
    needed = F("size") - Coalesce(Max("checkpoints__offset"), 0)
    least = refused.annotate(needed=needed).order_by("needed")[0]
    park_full(job, Lack(least.reason_code, least.path_display, max(1, least.needed)), actor=actor)
    return True


def look_for_room(machine: str) -> int:
    """Let jobs of this machine go on whose sinks have room (again); returns how many."""
    return sum(_look(job) for job in _due(machine))


def is_room_wanted(machine: str) -> bool:
    """Whether `look_for_room`, which may wait for a sink that hangs, has something to do."""
    return _due(machine).exists()


def try_again(job: Job, *, actor: str) -> int:
    """Somebody says that there is room; 1 if the job was parked for want of it."""
    return _go_on(Job.objects.filter(pk=job.pk, parked_code__in=FULL), job, actor)


def _due(machine: str) -> QuerySet[Job]:
    due = Job.objects.filter(parked_code__in=FULL, parked_until__lte=Now(), status__in=UNFINISHED_JOB)
    return due.filter(machine_id__in=["", machine])


def _look(job: Job) -> int:
    free = None if job.parked_code == QUOTA else _free_bytes(job)
    if free is None or free >= (job.parked_bytes or 1) or _others_fit(job, free):
        return _go_on(Job.objects.filter(pk=job.pk, parked_code=job.parked_code), job, "scheduler")
    Job.objects.filter(pk=job.pk, parked_code=job.parked_code).update(parked_until=_later())
    return 0


def _go_on(parked: QuerySet[Job], job: Job, actor: str) -> int:
    with transaction.atomic():
        ended = parked.exclude(parked_code="").update(
            parked_code="", parked_text="", parked_bytes=None, parked_until=None
        )
        if ended:
            JobEvent.objects.create(job=job, actor=actor, action="unpark")
    return ended


def _others_fit(job: Job, room: int) -> bool:
    """Whether a file waits, or a scan may still find one, that was not refused and is no bigger than the room. Each is
    refused once before its job is parked, so that this ends."""
    waiting = waiting_files().filter(job=job, size__lte=room).exclude(reason_code__in=FULL)
    return waiting.exists() or scans_under_way().filter(job=job).exists()


def _later() -> object:
    return Now() + timedelta(seconds=ROOM_SECONDS)


def _free_bytes(job: Job) -> int | None:
    """At the sink; None where nobody can tell."""
    try:
        with opened(job_root(job, "sink")) as sink:
            return sink.free_bytes()
    except (StorageError, Refusal):
        return None


def _text(job: Job, lack: Lack, free: int | None) -> str:
    where = f"{job.sink_type}:{job.sink_path}"
    if lack.code == QUOTA:
        return (
            f"The quota at the sink {where} is used up; {lack.path} needs {lack.bytes_needed:,} bytes. Raise the quota "
            f"or make room.{GOES_ON}"
        )
    found = "" if free is None else f", {free:,} are free"
    if free is not None and free >= lack.bytes_needed:
        found += " but were not given (are there inodes left? df -i)"
    return (
        f"The sink {where} is full: {lack.path} needs {lack.bytes_needed:,} bytes{found}. Make room, or exclude what "
        f"will never fit.{GOES_ON}"
    )
