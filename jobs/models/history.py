"""Who did what."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Job
from jobs.models.task import Task


class JobEvent(models.Model):
    """Append-only history: who did what, when and why. A batch writes one row; a failure and an operator's move one
    each."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events", db_index=False)
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
            models.Index(fields=["job", "id"], name="event_of_job"),
            models.Index("task", "id", name="event_task", condition=Q(task__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
