"""Rows for tests of the control plane: made by the product's own transitions wherever those can make them."""

import hashlib
import itertools

from django.utils import timezone

from jobs import slaves, transitions
from jobs.machine import machine_id, process_identity
from jobs.models import Job, Scan, Slave, Task
from jobs.sql.rows import NewTask, SeenTask, Settlement
from jobs.transitions import Claimed, Settled
from storage_backends.names import display_path

_numbers = itertools.count(1)
DIGEST = hashlib.sha256(b"content").digest()
#: What a row needs besides its status to be possible.
POSSIBLE = {
    "completed": {"checksum": DIGEST},
    "failed": {"reason_code": "SINK_IO_ERROR"},
    "retrying": {"reason_code": "SINK_IO_ERROR"},
    "skipped": {"reason_code": "SPECIAL_FILE"},
}


def new_job(**fields) -> Job:
    """A running job; nothing stands behind its paths."""
    number = next(_numbers)
    values = {"source_type": "local", "source_path": f"/in{number}", "sink_type": "local", "sink_path": f"/out{number}"}
    return Job.objects.create(**{**values, **fields})


def new_slave(name: str = "", **fields) -> Slave:
    """A live incarnation of this very process."""
    values = {"host": "here", "machine_id": machine_id(), "pid": 1, "process": process_identity(), "concurrency": 2}
    slave = Slave(name=name or f"slave-{next(_numbers)}", **{**values, "aliases": ["local"], **fields})
    slaves.sign_on(slave)
    return slave


def new_row(path: bytes = b"a", **fields) -> NewTask:
    """What a scan writes for a path it sees for the first time."""
    kind = "directory" if path.endswith(b"/") else "file"
    values = {"kind": kind, "status": "pending", "size": 1, "mtime_ns": 1, "version": "v1", "compare_first": False}
    values |= {"reason_code": "", "reason_text": ""}
    values |= {"path": path, "path_sha256": hashlib.sha256(path).digest(), "path_display": display_path(path)}
    return NewTask(**values | fields)


def discover(job: Job, *paths: bytes, **fields) -> list[int]:
    """Pending tasks of these paths; returns their ids in this order."""
    transitions.discover(job.pk, [new_row(path, **fields) for path in paths])
    ids = {bytes(path): id for id, path in Task.objects.filter(job=job).values_list("id", "path")}
    return [ids[path] for path in paths]


def put(job: Job, status: str, path: bytes = b"a", **fields) -> Task:
    """One task in that status, written directly: for what a test only looks at. The totals do not know of it."""
    task = unsaved(job, status, path, **fields)
    task.save(force_insert=True)
    return task


def unsaved(job: Job, status: str, path: bytes = b"a", **fields) -> Task:
    """The same, for `bulk_create` of many."""
    values = {"job": job, "kind": "directory" if path.endswith(b"/") else "file", "path": path}
    values |= {"path_sha256": hashlib.sha256(path).digest(), "path_display": display_path(path), "size": 1}
    values |= {"source_mtime_ns": 1, "source_version": "v1"}
    if status == "in_progress" and "owner" not in fields:
        fields["owner"] = new_slave()
    return Task(**{**values, "status": status, **POSSIBLE.get(status, {}), **fields})


def claim(slave: Slave, job: Job, *, limit: int = 1000) -> list[Claimed]:
    """Claim whatever of the job may be claimed."""
    files = transitions.claim_files(slave, job.pk, limit=limit)
    return files + transitions.claim_directories(slave, job.pk, limit=limit - len(files))


def claim_one(slave: Slave, job: Job, path: bytes = b"a", **fields) -> Claimed:
    """A new task of that path in this slave's hand."""
    [task] = discover(job, path, **fields)
    named = transitions.claim_named(slave, job.pk, [task])
    return (named or transitions.claim_directories(slave, job.pk, limit=1))[0]


def ending(task: Claimed, status: str = "completed", **fields) -> Settled:
    """How the work on a claimed task ended; fields of the settlement and of its frame alike."""
    values = dict.fromkeys(Settlement._fields, None) | {"id": task.id, "epoch": task.epoch, "status": status}
    values |= {"reason_code": "", "reason_text": "", "attempts_back": 0}
    if status == "completed" and task.kind != "directory":
        values |= {"checksum": DIGEST, "size": task.size}
    if status in ("failed", "retrying", "skipped"):
        values |= {"reason_code": "SINK_IO_ERROR", "reason_text": "why"}
    frame = {"job_id": task.job_id, "kind": task.kind, "old_size": task.size}
    frame |= {"has_upload": False, "copied": 0, "resumed": 0, "adopted": False, "dropped_bits": False}
    frame |= {name: fields.pop(name) for name in list(fields) if name in frame}
    return Settled(settlement=Settlement(**values | fields), **frame)


def seen(task: Task, **fields) -> transitions.Seen:
    """What a scan writes for a known path that changed; `expected` is the row's status as it was read."""
    values = {"id": task.pk, "expected": task.status, "kind": task.kind, "status": "pending", "size": task.size}
    values |= {"mtime_ns": 2, "version": "v2", "compare_first": False, "reason_code": "", "reason_text": ""}
    return transitions.Seen(SeenTask(**{**values, "is_gone": False, **fields}), task.kind, task.size)


def scanned(job: Job, **fields) -> Scan:
    """A scan that has ended."""
    values = {"started_at": timezone.now(), "finished_at": timezone.now()}
    return Scan.objects.create(job=job, **{**values, **fields})
