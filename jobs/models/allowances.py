"""How much of a limit is used up."""

from __future__ import annotations

from django.db import models


class Allowance(models.Model):
    """What one subject has used up of one limit. The time begins with the first use and is not prolonged."""

    key = models.CharField(primary_key=True, max_length=64)
    """SHA-256 of limit and subject: what people type into the field for the user name is not kept."""
    used = models.BigIntegerField()
    ends_at = models.BigIntegerField(db_index=True)
    """Unix time in seconds."""

    def __str__(self) -> str:
        return f"{self.used} until {self.ends_at}"
