"""The answers that are not failures: completed, adopted, skipped, stopped, cancelled."""

from __future__ import annotations

from storage_backends.base import FileInfo
from storage_backends.names import display_path
from storage_backends.values import SET_ID_BITS
from transfers.engine import failures
from transfers.engine.contracts import Identity, Outcome, Result, Stop, Work
from transfers.engine.messages import Plain

_make = tuple.__new__
_COMPLETED = Result.COMPLETED


def identity_of(info: FileInfo) -> Identity:
    """What to remember of a file to see later that it changed."""
    return _make(Identity, (info.size, info.mtime_ns, info.version))


def dropped_bits(source: FileInfo, sink: FileInfo) -> bool:
    """Whether setuid or setgid was lost on the way (a sink without modes loses nothing it could have kept)."""
    bits = (source.mode or 0) & SET_ID_BITS
    return bool(bits) and sink.mode is not None and bits & ~sink.mode != 0


def completed(work: Work, source: FileInfo, sink: FileInfo, sha256: bytes, *, bytes_copied: int = 0) -> Outcome:
    """The sink holds exactly the content of `source`; `sha256` was proved by reading the sink back."""
    return _make(  # as Outcome(...) does, with one call less: made for every file
        Outcome,
        (
            work.task_id, work.epoch, _COMPLETED, sha256, identity_of(source), identity_of(sink), source.size,
            bytes_copied, 0, False, dropped_bits(source, sink), "", "", True, None,
        ),
    )  # fmt: skip


def copied(work: Work, source: FileInfo, sink: FileInfo, sha256: bytes) -> Plain:
    """`completed` in short, of what was sent whole and dropped no bits (a test holds the two together)."""
    return (
        work.task_id, work.epoch, sha256,
        source.size, source.mtime_ns, source.version, sink.size, sink.mtime_ns, sink.version,
    )  # fmt: skip


def adopted(work: Work, source: FileInfo, sink: FileInfo, sha256: bytes) -> Outcome:
    """The sink held the content already."""
    return completed(work, source, sink, sha256)._replace(adopted=True)


def nothing_to_do(work: Work) -> Outcome:
    """Completed without touching anything."""
    return Outcome(work.task_id, work.epoch, Result.COMPLETED)


def skipped(work: Work, code: str, why: str) -> Outcome:
    """Not copied for a good reason; `why` goes on after the path."""
    text = f"{display_path(work.path)} {why}."
    return Outcome(work.task_id, work.epoch, Result.SKIPPED, reason_code=code, reason_text=text)


def stopped(work: Work, stop: Stop) -> Outcome:
    """Ended early because the parent wants it."""
    path = display_path(work.path)
    if stop is Stop.CANCEL:
        result, code, text = Result.CANCELLED, failures.JOB_KILLED, f"{path}: its job was killed."
    else:
        result, code = Result.STOPPED, failures.RELEASED
        text = f"{path}: interrupted by pause or shutdown; it goes on from its checkpoint."
    return Outcome(work.task_id, work.epoch, result, reason_code=code, reason_text=text, costs_attempt=False)


def lease_lost(work: Work) -> Outcome:
    """Somebody else owns the task now, or the lease could not be renewed; the row will say what happens next."""
    text = f"{display_path(work.path)}: the lease was lost, nothing more was written."
    return Outcome(work.task_id, work.epoch, Result.STOPPED, reason_code=failures.LEASE_EXPIRED, reason_text=text)
