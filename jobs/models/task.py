"""One path of a job, and what is proven of it while it is copied."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Substr

from jobs.choices import TaskKind, choices_of
from jobs.models.job import Job
from jobs.models.slave import Slave
from jobs.pages import INDEXED_PATH_BYTES
from jobs.states import TaskStatus

#: Files of at least this size are indexed by it; the small ones, of which there are millions, pay nothing for that.
INDEXED_SIZE_BYTES = 16 << 20


def _is_one_of(*statuses: TaskStatus) -> Q:
    """Compared one by one: for an IN of more than two SQLite builds a table, anew for every row that is written, and
    the constraints of a task took more time than writing it."""
    return Q(*(("status", status) for status in statuses), _connector=Q.OR)


_IS_DIRECTORY = Q(kind=TaskKind.DIRECTORY)
_IS_WAITING = Q(status__in=[TaskStatus.PENDING, TaskStatus.RETRYING])


class Task(models.Model):
    """One path of one job and the state it is in: catalogue and queue in one table."""

    # That job and slave exist is not checked for each row, only for each batch (docs/adr/0015).
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks", db_index=False, db_constraint=False)
    kind = models.CharField(max_length=10, choices=TaskKind)
    path = models.BinaryField()
    """Raw bytes, relative to the job's roots; a directory's ends in a slash."""
    path_sha256 = models.BinaryField(max_length=32)
    path_display = models.TextField("path")
    """Escaped and injective; what people see and search. Never parsed back."""
    status = models.CharField(max_length=12, choices=choices_of(TaskStatus), default=TaskStatus.PENDING)

    size = models.BigIntegerField(default=0)
    """Bytes at the source, as last seen."""
    source_mtime_ns = models.BigIntegerField(null=True)
    source_version = models.CharField(max_length=200, blank=True)
    sink_size = models.BigIntegerField(null=True)
    """With the next two: the sink's file as we left it. Null before the first copy."""
    sink_mtime_ns = models.BigIntegerField(null=True)
    sink_version = models.CharField(max_length=200, blank=True)
    compare_first = models.BooleanField(default=False)
    copied_bytes = models.BigIntegerField(default=0)
    checksum = models.BinaryField(max_length=32, null=True)
    """SHA-256 of what was read back from the sink; of the target for a symlink."""

    owner = models.ForeignKey(
        Slave, null=True, on_delete=models.PROTECT, related_name="tasks", db_index=False, db_constraint=False
    )
    epoch = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    """Seen missing at the source; the sink's file stays."""
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    slave_name = models.CharField("slave", max_length=63, blank=True)
    """Who worked on it last, for people."""

    class Meta:
        constraints: ClassVar = [
            # In the order of the paths, so that the rows of a scan go to a few pages of it, and a page of the catalogue
            # is read by it; the digest tells paths apart that are alike for longer than an index can hold.
            models.UniqueConstraint("job", Substr("path", 1, INDEXED_PATH_BYTES), "path_sha256", name="task_path"),
            models.CheckConstraint(condition=_is_one_of(*TaskStatus), name="task_status_known"),
            models.CheckConstraint(
                condition=Q(status=TaskStatus.IN_PROGRESS, owner__isnull=False)
                | (~Q(status=TaskStatus.IN_PROGRESS) & Q(owner__isnull=True)),
                name="task_in_progress_iff_owned",
            ),
            models.CheckConstraint(
                condition=~_is_one_of(TaskStatus.FAILED, TaskStatus.RETRYING, TaskStatus.SKIPPED) | ~Q(reason_code=""),
                name="task_failure_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status=TaskStatus.COMPLETED)
                | Q(kind=TaskKind.DIRECTORY)
                | Q(checksum__isnull=False),
                name="task_completed_has_checksum",
            ),
            models.CheckConstraint(condition=Q(epoch__gte=0, attempts__gte=0), name="task_counts_not_negative"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job", "id"], name="task_waiting", condition=_IS_WAITING & ~_IS_DIRECTORY),
            models.Index(fields=["job", "id"], name="task_waiting_directory", condition=_IS_WAITING & _IS_DIRECTORY),
            models.Index("job", "id", name="task_retrying", condition=Q(status=TaskStatus.RETRYING)),
            models.Index(fields=["job", "owner"], name="task_owned", condition=Q(owner__isnull=False)),
            models.Index(
                "job",
                "id",
                name="task_given_up",
                condition=_is_one_of(TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED),
            ),
            models.Index("job", "reason_code", name="task_failed_why", condition=Q(status=TaskStatus.FAILED)),
            models.Index("size", name="task_large", condition=Q(size__gte=INDEXED_SIZE_BYTES)),
        ]

    def __str__(self) -> str:
        return self.path_display


class Upload(models.Model):
    """The unfinished upload of one task, written before its first byte leaves. Deleted when the task is completed; of
    one that ended otherwise, when a slave has removed its partial."""

    task = models.OneToOneField(Task, primary_key=True, on_delete=models.CASCADE, related_name="upload")
    token = models.TextField()
    """`UploadToken` as JSON, encrypted if it is a secret (`sealing.py`)."""
    intent_sha256 = models.BinaryField(max_length=32, null=True)
    """Set right before the publish: a sink file with this content completes the task without sending anything."""
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"upload of task {self.task_id}"


class Checkpoint(models.Model):
    """Bytes [0, offset) are durable at the sink and hash to `sha256`. Proved again on resume."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="checkpoints", db_index=False)
    offset = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("task", "offset", name="checkpoint_one_per_offset"),
            models.CheckConstraint(condition=Q(offset__gt=0), name="checkpoint_offset_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.offset} bytes of task {self.task_id}"
