"""From the engine's outcomes to what the database is told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

from jobs import parking
from jobs.models import Job, WhenChanging
from jobs.sql.rows import Settlement
from jobs.states import TaskStatus
from jobs.transitions import Claimed, Settled
from storage_backends.names import display_path
from transfers.engine.contracts import Identity, Outcome, Result

#: A source file younger than this when it was copied may change again without its times showing it.
FRESH_SECONDS = 2.0
#: Until the next try where the file is not to blame, so that a full sink is not asked again at once.
PATIENCE_SECONDS = 30.0
BUSY_PATIENCE_SECONDS = 5.0
RETRY_BASE_SECONDS, RETRY_CAP_SECONDS, RETRY_JITTER = 2.0, 300.0, 0.2

_STATUS = {
    Result.COMPLETED: TaskStatus.COMPLETED,
    Result.RETRY: TaskStatus.RETRYING,
    Result.FAILED: TaskStatus.FAILED,
    Result.SKIPPED: TaskStatus.SKIPPED,
    Result.STOPPED: TaskStatus.PENDING,
    Result.CANCELLED: TaskStatus.CANCELLED,
}


def settled(job: Job, task: Claimed, outcome: Outcome, *, has_upload: bool, begun_at: float) -> Settled:
    """What to write for one outcome. `begun_at`: wall clock when the worker got the task."""
    outcome = _waiting_for_quiet(job, outcome)
    status = _status(job, task, outcome)
    return Settled(
        settlement=_settlement(task, outcome, status, begun_at),
        job_id=job.pk,
        kind=task.kind,
        old_size=task.size,
        has_upload=has_upload or task.attempts > 1,
        copied=outcome.bytes_copied,
        resumed=outcome.bytes_resumed,
        adopted=outcome.adopted,
        dropped_bits=outcome.dropped_bits,
    )


def _waiting_for_quiet(job: Job, outcome: Outcome) -> Outcome:
    """A file that changes is not to blame where the job says to wait until it does no more."""
    if outcome.reason_code != "SOURCE_CHANGED" or job.when_changing != WhenChanging.WAIT:
        return outcome
    wait = outcome.retry_after_seconds or job.quiet_seconds
    return outcome._replace(costs_attempt=False, retry_after_seconds=wait)


def _status(job: Job, task: Claimed, outcome: Outcome) -> TaskStatus:
    is_last = outcome.costs_attempt and task.attempts >= job.max_attempts
    if outcome.result is Result.RETRY and is_last:
        return TaskStatus.FAILED
    return _STATUS[outcome.result]


def _settlement(task: Claimed, outcome: Outcome, status: TaskStatus, begun_at: float) -> Settlement:
    is_done = status is TaskStatus.COMPLETED
    source, sink = (outcome.source, outcome.sink) if is_done else (None, None)
    gives_back = outcome.result is Result.STOPPED or (outcome.result is Result.RETRY and not outcome.costs_attempt)
    return Settlement(
        id=task.id,
        epoch=task.epoch,
        status=status.value,
        checksum=(outcome.sha256 or None) if is_done else None,
        size=source.size if source else None,
        source_mtime_ns=source.mtime_ns if source else None,
        source_version=source.version if source else None,
        sink_size=sink.size if sink else None,
        sink_mtime_ns=sink.mtime_ns if sink else None,
        sink_version=sink.version if sink else None,
        copied_bytes=source.size if source else None,
        reason_code=outcome.reason_code if status is not TaskStatus.PENDING else "",
        reason_text=outcome.reason_text if status is not TaskStatus.PENDING else "",
        attempts_back=int(gives_back),
        delay_seconds=_delay(task, outcome) if status is TaskStatus.RETRYING else None,
        compare_first=_is_fresh(source, begun_at) if is_done and task.kind != "directory" else None,
    )


def lack_of_room(pairs: Iterable[tuple[Claimed, Outcome]]) -> parking.Lack | None:
    """What the sink had no room for: the least of it, so that something gets on as soon as that fits."""
    lacks = [_lack(task, outcome) for task, outcome in pairs if outcome.reason_code in parking.FULL]
    return min(lacks, key=lambda lack: lack.bytes_needed, default=None)


def _lack(task: Claimed, outcome: Outcome) -> parking.Lack:
    """A partial that grew is kept, and only the rest of it is needed; one that did not was removed."""
    held = outcome.bytes_copied + outcome.bytes_resumed if outcome.bytes_copied else 0
    return parking.Lack(outcome.reason_code, display_path(task.path), max(1, task.size - held))


def retry_delay_seconds(attempts: int) -> float:
    """2, 4, 8 … capped at 5 minutes, with 20 % of jitter so that a thousand files do not come back at once."""
    delay = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(attempts - 1, 16))
    return delay * random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)


def _delay(task: Claimed, outcome: Outcome) -> float:
    if outcome.retry_after_seconds is not None:
        return outcome.retry_after_seconds
    if outcome.costs_attempt:
        return retry_delay_seconds(task.attempts)
    return BUSY_PATIENCE_SECONDS if outcome.reason_code.endswith("PARTIAL_BUSY") else PATIENCE_SECONDS


def _is_fresh(source: Identity | None, begun_at: float) -> bool:
    """Git's "racily clean": modified so shortly before it was read that another change may leave the same times."""
    if source is None or source.mtime_ns is None:
        return False
    return begun_at - FRESH_SECONDS < source.mtime_ns / 1e9 < time.time() + FRESH_SECONDS


def died(tasks: Iterable[Claimed], exit_code: int | None) -> list[Outcome]:
    """Outcomes for what a worker had in hand when it died."""
    text = f"The worker process died (exit code {exit_code}) while it had this file in hand."
    return [Outcome(task.id, task.epoch, Result.RETRY, reason_code="WORKER_DIED", reason_text=text) for task in tasks]


def released(tasks: Iterable[Claimed]) -> list[Outcome]:
    """Outcomes for tasks that were claimed and never begun."""
    return [Outcome(task.id, task.epoch, Result.STOPPED, reason_code="RELEASED") for task in tasks]
