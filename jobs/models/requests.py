"""What the API remembers of requests."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from jobs.models.job import Job


class IdempotencyKey(models.Model):
    """A client's own name for one request to create a job, so that asking again makes no second job."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_sha256 = models.BinaryField(max_length=32)
    """Of what was asked for: the same key for anything else is a mistake."""
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("user", "key", name="idempotency_key_per_user")]

    def __str__(self) -> str:
        return self.key
