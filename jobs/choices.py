"""What a column of a model may say, with the words that people choose by."""

from __future__ import annotations

from django.db import models

from jobs.states import JobStatus, TaskStatus


class Verify(models.TextChoices):
    """How the sink is read back (the engine's words)."""

    READBACK = "readback", "read back and compared while writing (default)"
    DISK = "disk", "read again from the device"
    STORED = "stored", "trust the server's checksums (object stores)"


class WhenChanging(models.TextChoices):
    """What becomes of a file that changes while it is copied."""

    FAIL = "fail", "fails after max_attempts copies during which it changed (default)"
    WAIT = "wait", "is copied once it has been left alone for quiet_seconds, however often it changes"


class TaskKind(models.TextChoices):
    """What stands behind a path."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"


def choices_of(states: type[JobStatus] | type[TaskStatus]) -> list[tuple[str, str]]:
    """For a field."""
    return [(state.value, state.value.replace("_", " ")) for state in states]
