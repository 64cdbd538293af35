"""Totals: a few rows for every batch, so often that the ORM's part in it was dearer than the rows."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from django.db import connection

_INSERT = "INSERT INTO jobs_counter (job_id, name, delta) VALUES "


def insert(vendor: ModuleType, rows: Sequence[tuple[str, str, int]]) -> None:
    """One statement; nothing where there is nothing."""
    if not rows:
        return
    values = [value for job, name, delta in rows for value in (vendor.uuid_parameter(job), name, delta)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + ", ".join(["(%s, %s, %s)"] * len(rows)), values)
