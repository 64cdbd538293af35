"""All durable state, as Django's tables."""

from jobs.choices import TaskKind, Verify, WhenChanging
from jobs.models.allowances import Allowance
from jobs.models.core import (
    INDEXED_SIZE_BYTES,
    MAX_INTERVAL,
    MIN_INTERVAL,
    Checkpoint,
    Finding,
    Job,
    JobEvent,
    JobId,
    Scan,
    Slave,
    Task,
    Upload,
)
from jobs.models.figures import Counter, Sample
from jobs.models.installation import Installation, draw_installation_id
from jobs.models.leases import Lease
from jobs.models.outbox import Notification
from jobs.models.requests import IdempotencyKey

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
