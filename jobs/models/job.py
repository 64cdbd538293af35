"""What is to be kept in sync, and how."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.choices import Verify, WhenChanging, choices_of
from jobs.states import JobStatus

#: A job's id as the ORM takes it.
JobId = uuid.UUID | str
MIN_INTERVAL, MAX_INTERVAL = timedelta(seconds=1), timedelta(days=366)


class Job(models.Model):
    """Keep this sink like this source."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, blank=True, help_text="For people; may be empty.")
    source_type = models.CharField(max_length=50, help_text="Storage alias.")
    source_path = models.CharField(max_length=4096, help_text="Directory below the storage's root.")
    sink_type = models.CharField(max_length=50, help_text="Storage alias.")
    sink_path = models.CharField(max_length=4096, help_text="Directory below the storage's root; made if missing.")
    interval = models.DurationField(null=True, blank=True, help_text="Time between scans; empty: run once.")
    status = models.CharField(max_length=12, choices=choices_of(JobStatus), default=JobStatus.RUNNING, editable=False)

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
