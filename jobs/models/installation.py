"""Who we are."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models.functions import Now


def draw_installation_id() -> str:
    """8 hex digits, drawn once per database."""
    return secrets.token_hex(4)


class Installation(models.Model):
    """This database (one row, pk 1). Its id is in every partial's name; its row is the lock for checks across jobs."""

    identifier = models.CharField(max_length=8, default=draw_installation_id)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.identifier
