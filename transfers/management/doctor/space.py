"""Free space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from jobs.words import human_bytes
from transfers.management.doctor.findings import Finding, error, ok, warning

LITTLE_BYTES, FEW_BYTES = 100 << 20, 1 << 30
LOW_FRACTION, LOW_BYTES = 0.05, 50 << 30


def check_space(topic: str, folder: Path) -> Iterator[Finding]:
    """On the file system of `folder`. Raises OSError."""
    total, _, free = shutil.disk_usage(folder)
    if not total:  # one without a size of its own
        return
    text = f"{human_bytes(free)} of {human_bytes(total)} are free at {folder}"
    todo = f"Make room on the file system of {folder}."
    if free < LITTLE_BYTES:
        yield error(topic, text, todo)
    elif free < FEW_BYTES or (free < LOW_FRACTION * total and free < LOW_BYTES):
        yield warning(topic, text, todo)
    else:
        yield ok(topic, text)
