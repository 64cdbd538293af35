"""Figures that are only ever added to: totals, and what was copied lately."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from jobs.models.job import Job


class Counter(models.Model):
    """A change of one total of one job; the total is the sum of its rows. Never COUNT over millions of tasks.

    Names: `<kind>.<status>` (tasks), `<kind>.<status>.bytes`, `copied`, `adopted`, `bytes_copied`, `bytes_resumed`,
    `dropped_bits`. The scheduler folds old rows together."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="counters")
    name = models.CharField(max_length=40)
    delta = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} {self.delta:+d}"


class Sample(models.Model):
    """What of one job was copied in the ten seconds from `at` on, by all slaves together. Kept for two hours."""

    SECONDS: ClassVar = 10
    KEPT_SECONDS: ClassVar = 2 * 3600

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="samples", db_index=False)
    at = models.DateTimeField()
    files = models.BigIntegerField()
    """Completed, adopted ones too."""
    bytes = models.BigIntegerField()
    """Sent to the sink, those of files still under way too."""

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("job", "at", name="sample_one_per_bucket")]
        indexes: ClassVar = [models.Index("at", name="sample_at")]

    def __str__(self) -> str:
        return f"{self.files} files, {self.bytes} bytes at {self.at:%T}"
