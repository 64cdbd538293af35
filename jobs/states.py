"""The states of jobs and tasks, and every move between them, as data.

`docs/states.md` draws these tables and a test compares the two. Only `jobs/transitions/` performs a move.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class JobStatus(enum.StrEnum):
    """What an operator wants of a job, and whether a run-once job is through."""

    RUNNING = "running"
    """Scanned when due, its tasks may be claimed. In: create, resume, run now, retry. Out: pause, kill, completion."""
    PAUSED = "paused"
    """No claim succeeds, running copies stop at a checkpoint. In: pause. Out: resume, kill."""
    COMPLETED = "completed"
    """A run-once job whose last scan ended without error and whose tasks are all final. In: the scheduler's tick.
    Out: run now, retry, kill."""
    KILLED = "killed"
    """Final. The history stays; what was not copied is cancelled. In: kill."""


class TaskStatus(enum.StrEnum):
    """Where one file of one job stands."""

    PENDING = "pending"
    """Waits to be claimed. In: scan, release (pause, shutdown), operator's retry. Out: claim, cancel, gone at the
    source."""
    IN_PROGRESS = "in_progress"
    """Owned by one slave incarnation at one epoch. In: claim. Out: its owner's settle, or the reaper."""
    COMPLETED = "completed"
    """The sink's bytes, read back, hash to `checksum` (files, links). In: settle. Out: a scan that saw a change."""
    FAILED = "failed"
    """Given up, with a reason. In: settle, reaper. Out: a scan (change, environmental reason), operator's retry."""
    RETRYING = "retrying"
    """Failed, and claimable again from `not_before` on. In: settle, reaper. Out: claim, cancel, scan."""
    CANCELLED = "cancelled"
    """The job was killed. Final."""
    SKIPPED = "skipped"
    """Not copied for a stated reason (special file, gone at the source). In: scan, settle. Out: scan, operator."""


WAITING = frozenset({TaskStatus.PENDING, TaskStatus.RETRYING})
ACTIVE = WAITING | {TaskStatus.IN_PROGRESS}
FINAL = frozenset(TaskStatus) - ACTIVE
#: What of the source is not at the sink as it should be.
UNSYNCED = ACTIVE | {TaskStatus.FAILED}

UNFINISHED_JOB = frozenset({JobStatus.RUNNING, JobStatus.PAUSED})


class Move(NamedTuple):
    """One edge: who takes a row from any of `sources` to `target`. An empty `sources` means: the row is new."""

    name: str
    who: str
    sources: frozenset[str]
    target: str


def _move(name: str, who: str, sources: str, target: str) -> Move:
    return Move(name, who, frozenset(sources.split()), target)


JOB_MOVES = {
    move.name: move
    for move in (
        _move("create", "operator", "", "running"),
        _move("pause", "operator", "running", "paused"),
        _move("resume", "operator", "paused", "running"),
        _move("kill", "operator", "running paused completed", "killed"),
        _move("complete", "scheduler", "running", "completed"),
        _move("rerun", "operator", "completed", "running"),
    )
}

TASK_MOVES = {
    move.name: move
    for move in (
        _move("discover", "scan", "", "pending"),
        _move("discover_skipped", "scan", "", "skipped"),
        _move("rediscover", "scan", "pending completed failed retrying skipped", "pending"),
        _move("skip", "scan", "pending retrying completed failed", "skipped"),
        _move("claim", "slave", "pending retrying", "in_progress"),
        _move("complete", "slave", "in_progress", "completed"),
        _move("retry_later", "slave", "in_progress", "retrying"),
        _move("fail", "slave", "in_progress", "failed"),
        _move("settle_skipped", "slave", "in_progress", "skipped"),
        _move("release", "slave", "in_progress", "pending"),
        _move("settle_cancelled", "slave", "in_progress", "cancelled"),
        _move("reap", "scheduler", "in_progress", "retrying"),
        _move("reap_exhausted", "scheduler", "in_progress", "failed"),
        _move("cancel", "scheduler", "pending retrying", "cancelled"),
        _move("retry", "operator", "failed skipped", "pending"),
        _move("revisit", "scan", "completed", "pending"),  # or an operator's retry of a file in the directory
    )
}
