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

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Substr

from jobs.choices import TaskKind, Verify, WhenChanging
from jobs.pages import INDEXED_PATH_BYTES
from jobs.states import JobStatus, TaskStatus

#: A job's id as the ORM takes it.
JobId = uuid.UUID | str
MIN_INTERVAL, MAX_INTERVAL = timedelta(seconds=1), timedelta(days=366)
#: Files of at least this size are indexed by it; the small ones, of which there are millions, pay nothing for that.
INDEXED_SIZE_BYTES = 16 << 20


def _choices(states: type[JobStatus] | type[TaskStatus]) -> list[tuple[str, str]]:
    return [(state.value, state.value.replace("_", " ")) for state in states]


class Job(models.Model):
    """Keep this sink like this source."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, blank=True, help_text="For people; may be empty.")
    source_type = models.CharField(max_length=50, help_text="Storage alias.")
    source_path = models.CharField(max_length=4096, help_text="Directory below the storage's root.")
    sink_type = models.CharField(max_length=50, help_text="Storage alias.")
    sink_path = models.CharField(max_length=4096, help_text="Directory below the storage's root; made if missing.")
    interval = models.DurationField(null=True, blank=True, help_text="Time between scans; empty: run once.")
    status = models.CharField(max_length=12, choices=_choices(JobStatus), default=JobStatus.RUNNING, editable=False)

    verify = models.CharField(
        max_length=10,
        choices=Verify,
        default=Verify.READBACK,
        help_text="How the sink's copy is proved equal to the source before it gets its name.",
    )
    exclude = models.TextField(blank=True, help_text="gitignore rules, one per line: matching paths are left out.")
    include = models.TextField(blank=True, help_text="gitignore rules, one per line: only matching files are synced.")
    bytes_per_second = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1024)], help_text="Shared by all slaves; empty: unlimited."
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Per file and version of it."
    )
    when_changing = models.CharField(
        max_length=10,
        choices=WhenChanging,
        default=WhenChanging.FAIL,
        help_text="What becomes of a file that keeps changing while it is copied.",
    )
    quiet_seconds = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="With when_changing=wait: so long a file must not have changed before it is copied.",
    )

    webhook_url = models.CharField(
        max_length=2000, blank=True, help_text="Told when the job fails, is parked, recovers or completes."
    )

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    next_scan_at = models.DateTimeField(null=True, editable=False)
    machine_id = models.CharField(max_length=64, blank=True, editable=False)
    """The machine whose directories these are; empty when every slave sees the same storages."""
    source_device = models.CharField(max_length=100, blank=True, editable=False)
    sink_device = models.CharField(max_length=100, blank=True, editable=False)
    parked_code = models.CharField(max_length=40, blank=True, editable=False)
    """Why no claim succeeds although the job is running (an unmounted disk, a full sink); see `parking`."""
    parked_text = models.TextField(blank=True, editable=False)
    parked_bytes = models.BigIntegerField(null=True, editable=False)
    """Of a full sink: so many bytes are needed there."""
    parked_until = models.DateTimeField(null=True, editable=False)
    """Of a full sink: nobody looks for room before."""
    synced_as_of = models.DateTimeField(null=True, editable=False)
    """Whatever the source held by then is at the sink: the start of a scan all of whose finds were copied. Written when
    the next scan starts, so `insight.freshness` may know a later one."""
    failing_since = models.DateTimeField(null=True, editable=False)
    """With the next: told, and not yet told to be over (`jobs/troubles.py`)."""
    parked_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created_at",)
        permissions: ClassVar = [
            ("view_all_jobs", "Can see and steer everybody's jobs"),
            ("pause_job", "Can pause and resume a job"),
            ("kill_job", "Can kill a job"),
            ("run_job", "Can scan now, preview and retry"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(JobStatus)), name="job_status_known"),
            models.CheckConstraint(condition=Q(max_attempts__gte=1), name="job_max_attempts_positive"),
            models.CheckConstraint(
                condition=Q(bytes_per_second__isnull=True) | Q(bytes_per_second__gte=1), name="job_rate_positive"
            ),
            models.CheckConstraint(condition=Q(when_changing__in=list(WhenChanging)), name="job_when_changing_known"),
            models.CheckConstraint(condition=Q(quiet_seconds__gte=1), name="job_quiet_seconds_positive"),
        ]
        indexes: ClassVar = [models.Index("next_scan_at", name="job_due", condition=Q(status=JobStatus.RUNNING))]

    def __str__(self) -> str:
        return self.name or f"{self.source_type}:{self.source_path} → {self.sink_type}:{self.sink_path}"


class Scan(models.Model):
    """One comparison of source, catalogue and sink. The web asks for one by inserting a row without `started_at`."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="scans")
    is_preview = models.BooleanField("preview", default=False)
    """Records what would be done and writes no task."""
    owner = models.CharField(max_length=64, blank=True)
    """The scheduler incarnation that runs it."""
    epoch = models.IntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    machine_id = models.CharField(max_length=64, blank=True)
    requested_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    """Why the scan as a whole failed; empty when it went through, even with single `errors`."""
    error_text = models.TextField(blank=True)
    files_seen = models.BigIntegerField(default=0)
    bytes_seen = models.BigIntegerField(default=0)
    new = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    compared = models.BigIntegerField(default=0)
    """Handed to a slave to compare both sides before copying."""
    drifted = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    gone = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    bytes_to_copy = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint("job", name="scan_one_unfinished_per_job", condition=Q(finished_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"scan #{self.pk}"

    @property
    def phase(self) -> str:
        """requested, scanning, failed or finished."""
        if self.finished_at:
            return "failed" if self.error_code else "finished"
        return "scanning" if self.started_at else "requested"


class Finding(models.Model):
    """One path a scan has something to say about: an error, a skip, or (preview) what would be done. At most
    `Finding.LIMIT` a scan; the counters of the scan are exact."""

    LIMIT: ClassVar = 1000

    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="findings")
    verdict = models.CharField(max_length=12)
    path_display = models.TextField("path")
    size = models.BigIntegerField(default=0)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.verdict} {self.path_display}"


class Slave(models.Model):
    """One *incarnation* of a slave: a restarted slave-001 is another row and never renews its dead self's leases."""

    class State(models.TextChoices):
        """What the slave says of itself, or the reaper of it."""

        ONLINE = "online"
        DRAINING = "draining"
        OFFLINE = "offline"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63)
    state = models.CharField(max_length=10, choices=State, default=State.ONLINE)
    host = models.CharField(max_length=255)
    machine_id = models.CharField(max_length=64)
    pid = models.IntegerField()
    process = models.CharField(max_length=64)
    """`machine.process_identity()`: lets this machine see at once that the process is gone."""
    version = models.CharField(max_length=40, blank=True)
    concurrency = models.PositiveSmallIntegerField()
    aliases = models.JSONField(default=list)
    """Storage aliases it could reach when it started."""
    unreachable = models.JSONField(default=dict)
    """Alias → why not."""
    bytes_per_second = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    lease_expires_at = models.DateTimeField()
    drain_requested_at = models.DateTimeField(null=True)
    """Somebody wants it to take no more work and to end when what it has is done."""
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-started_at",)
        permissions: ClassVar = [("drain_slave", "Can have a slave drain")]
        indexes: ClassVar = [models.Index("name", name="slave_name")]

    def __str__(self) -> str:
        return self.name


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
    status = models.CharField(max_length=12, choices=_choices(TaskStatus), default=TaskStatus.PENDING)

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


class JobEvent(models.Model):
    """Append-only history: who did what, when and why. A batch writes one row; a failure and an operator's move one
    each."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    task = models.ForeignKey(Task, null=True, on_delete=models.SET_NULL, related_name="events", db_index=False)
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=160)
    """user:NAME, slave:NAME, scheduler, or sync (the one-shot command)."""
    action = models.CharField(max_length=30)
    count = models.BigIntegerField(default=1)
    reason_code = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index("at", name="event_at"),
            models.Index("task", "id", name="event_task", condition=Q(task__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
