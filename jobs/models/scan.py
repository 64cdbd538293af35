"""What a scan did, and could not do."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Job


class Scan(models.Model):
    """One comparison of source, catalogue and sink. The web asks for one by inserting a row without `started_at`."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="scans", db_index=False)
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
        indexes: ClassVar = [models.Index(fields=["job", "id"], name="scan_of_job")]

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
