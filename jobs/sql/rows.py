"""What the hot statements are given, a row each."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

#: Jobs whose tasks may be claimed. In the statements' text, as all states are.
RUNNING = "status = 'running' AND parked_code = ''"
FINAL_STATUSES = frozenset({"completed", "failed", "skipped", "cancelled"})


class ReportRow(NamedTuple):
    """One path as a report tells it."""

    path: bytes
    path_display: str
    kind: str
    size: int
    checksum: bytes | None
    status: str
    reason_code: str
    reason_text: str
    slave_name: str
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    gone_at: datetime | None


class Candidate(NamedTuple):
    """A waiting task as a claim reads it."""

    id: int
    kind: str
    path: bytes
    size: int
    epoch: int
    attempts: int
    compare_first: bool
    sink_version: str
    status: str


class NewTask(NamedTuple):
    """A path seen for the first time."""

    kind: str
    path: bytes
    path_sha256: bytes
    path_display: str
    status: str
    size: int
    mtime_ns: int | None
    version: str
    compare_first: bool
    reason_code: str
    reason_text: str


class SeenTask(NamedTuple):
    """A known path that no longer looks as its row says."""

    id: int
    expected: str
    """The status the row was read with; another one by now means: leave it alone."""
    kind: str
    status: str
    size: int
    mtime_ns: int | None
    version: str
    compare_first: bool
    reason_code: str
    reason_text: str
    is_gone: bool


class Settlement(NamedTuple):
    """How the work on one task ended. None keeps what the row has."""

    id: int
    epoch: int
    status: str
    checksum: bytes | None
    size: int | None
    source_mtime_ns: int | None
    source_version: str | None
    sink_size: int | None
    sink_mtime_ns: int | None
    sink_version: str | None
    copied_bytes: int | None
    reason_code: str
    reason_text: str
    attempts_back: int
    delay_seconds: float | None
    """From now, in database time, until it may be claimed again."""
    compare_first: bool | None
    """On a completed row: its times are too fresh to be trusted, the next scan compares the bytes."""


class Copied(NamedTuple):
    """A small file that was copied as it should be: all that is new about it, in the order of the statement."""

    checksum: bytes
    size: int
    source_mtime_ns: int | None
    source_version: str
    sink_size: int
    sink_mtime_ns: int | None
    sink_version: str
    copied_bytes: int
    compare_first: bool
    id: int
    epoch: int
