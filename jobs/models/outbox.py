"""What is to be told to somebody outside."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Job


class Notification(models.Model):
    """One thing that happened to a job: written, for everybody, in the transaction in which it happened, so that no
    crash loses it; copied by the scheduler for each address there is, and then sent (`jobs/notifications/`)."""

    class Channel(models.TextChoices):
        """How it gets there."""

        EVERYBODY = "everybody"
        """Not addressed yet."""
        WEBHOOK = "webhook"
        EMAIL = "email"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    """Stays the same however often it is sent, so that a receiver knows what it has seen."""
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EVERYBODY)
    address = models.CharField(max_length=2000, blank=True)
    """A URL or an e-mail address. The URL may be a secret: it is never logged."""
    payload = models.TextField()
    """JSON, as it is sent."""
    created_at = models.DateTimeField(db_default=Now())
    attempts = models.IntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    """Delivered, or given up: then `error` says why."""
    error = models.TextField(blank=True)
    """Of the last attempt."""

    class Meta:
        indexes: ClassVar = [
            models.Index("not_before", name="notification_waiting", condition=Q(ended_at__isnull=True)),
            models.Index("ended_at", name="notification_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.pk}"
