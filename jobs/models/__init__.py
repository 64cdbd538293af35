"""All durable state. Who may write which column is said in `transitions/`; who may be in which state in `states.py`.

A task is *one row per path*, catalogue and queue at once, so the table does not grow with time::

    Job ─┬─ Scan ── Finding          what a scan did, and could not do
         ├─ Task ─┬─ Checkpoint      proven progress inside one file
         │        └─ Upload          the unfinished upload it belongs to
         ├─ Counter                  totals as delta rows
         ├─ IdempotencyKey           which request made it
         ├─ Sample                   what was copied in ten seconds
         ├─ Notification             what is to be told of it
         └─ JobEvent                 history
    Slave (one row per incarnation) owns tasks;  Lease: who leads;  Installation: who we are
"""

from jobs.choices import TaskKind, Verify, WhenChanging
from jobs.models.allowances import Allowance
from jobs.models.figures import Counter, Sample
from jobs.models.history import JobEvent
from jobs.models.installation import Installation, draw_installation_id
from jobs.models.job import MAX_INTERVAL, MIN_INTERVAL, Job, JobId
from jobs.models.leases import Lease
from jobs.models.outbox import Notification
from jobs.models.requests import IdempotencyKey
from jobs.models.scan import Finding, Scan
from jobs.models.slave import Slave
from jobs.models.task import INDEXED_SIZE_BYTES, Checkpoint, Task, Upload

__all__ = [
    "INDEXED_SIZE_BYTES",
    "MAX_INTERVAL",
    "MIN_INTERVAL",
    "Allowance",
    "Checkpoint",
    "Counter",
    "Finding",
    "IdempotencyKey",
    "Installation",
    "Job",
    "JobEvent",
    "JobId",
    "Lease",
    "Notification",
    "Sample",
    "Scan",
    "Slave",
    "Task",
    "TaskKind",
    "Upload",
    "Verify",
    "WhenChanging",
    "draw_installation_id",
]
