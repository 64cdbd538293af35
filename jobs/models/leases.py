"""Who leads."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Lease(models.Model):
    """Which of several processes of a kind leads; renewed in database time."""

    name = models.CharField(primary_key=True, max_length=40)
    holder = models.CharField(max_length=64, blank=True)
    epoch = models.IntegerField(default=0)
    expires_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
