"""What one path needs, from what the source, the catalogue and the sink say of it. Pure functions, no input or output.

=============  ==================================================  =======================
source         catalogue row, sink                                 verdict
=============  ==================================================  =======================
as recorded    completed, sink as we left it                       UNCHANGED (no write)
as recorded    completed, times too fresh to be trusted            COMPARE
as recorded    completed, no sink file                             MISSING
as recorded    completed, sink looks different                     DRIFTED
as recorded    failed, reason not environmental                    WAITING (left alone)
no row         no sink file, or one of another size                NEW
no row         sink file of the same size                          COMPARE
other size or  any                                                 CHANGED
mtime
only version   any                                                 COMPARE
differs
special        any                                                 SKIPPED
absent         any                                                 GONE (sink's file stays)
=============  ==================================================  =======================

COMPARE means: a slave hashes both sides first; equal content is adopted and nothing is sent.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from jobs.pages import Row
from jobs.reasons import ENVIRONMENTAL
from jobs.states import TaskStatus
from storage_backends.base import FileInfo, Kind, PartialId

COMPLETED, FAILED, IN_PROGRESS = TaskStatus.COMPLETED.value, TaskStatus.FAILED.value, TaskStatus.IN_PROGRESS.value
WAITING_STATUSES = (TaskStatus.PENDING.value, TaskStatus.RETRYING.value)


class Verdict(enum.StrEnum):
    """What a scan found out about one path."""

    NEW = "new"
    CHANGED = "changed"
    MISSING = "missing"
    DRIFTED = "drifted"
    COMPARE = "compare"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    """Already pending, under way, or failed for a reason that looking again does not change."""
    SKIPPED = "skipped"
    GONE = "gone"


COPYING = frozenset({Verdict.NEW, Verdict.CHANGED, Verdict.MISSING, Verdict.DRIFTED, Verdict.COMPARE})


class Decision(NamedTuple):
    """The verdict, and whether a slave compares both sides before it copies."""

    verdict: Verdict
    compare_first: bool = False
    reason_code: str = ""


_UNCHANGED = Decision(Verdict.UNCHANGED)
_WAITING = Decision(Verdict.WAITING)
_RACY = Decision(Verdict.COMPARE, compare_first=True)


def decide(source: FileInfo, row: Row | None, sink: FileInfo | None, *, is_sink_known: bool = True) -> Decision:
    """The decision for a path that is at the source. `is_sink_known` false: the sink's folder could not be listed."""
    if source.kind is Kind.SPECIAL:
        return _decide_special(source, row)
    if row is None:
        return _decide_new(source, sink, is_sink_known)
    status = row.status
    if status == IN_PROGRESS:
        return _WAITING
    if not is_same_source(source, row):
        return _decide_changed(source, row)
    if status == COMPLETED:
        return _decide_completed(source, row, sink, is_sink_known)
    if status in WAITING_STATUSES:
        return _WAITING
    if status == FAILED and row.reason_code not in ENVIRONMENTAL and is_sink_as_left(row, sink):
        return _WAITING
    return _decide_new(source, sink, is_sink_known)


def is_same_source(source: FileInfo, row: Row) -> bool:
    """Whether the source still looks as the row says."""
    return (
        source.version == row.version
        and source.size == row.size
        and source.mtime_ns == row.mtime_ns
        and source.kind == row.kind
    )


def is_sink_as_left(row: Row, sink: FileInfo | None) -> bool:
    """Whether the sink looks as we left it (absent, if we never wrote it). A directory's time is never drift."""
    if sink is None:
        return row.sink_size is None
    if sink.version != row.sink_version or sink.kind != row.kind:
        return False
    return sink.kind is Kind.DIRECTORY or (sink.size == row.sink_size and sink.mtime_ns == row.sink_mtime_ns)


def _decide_special(source: FileInfo, row: Row | None) -> Decision:
    name = source.path.rpartition(b"/")[2]
    code = "RESERVED_NAME" if PartialId.is_reserved(name) else "SPECIAL_FILE"
    if row is not None and row.reason_code == code:
        return Decision(Verdict.WAITING, reason_code=code)
    return Decision(Verdict.SKIPPED, reason_code=code)


def _decide_new(source: FileInfo, sink: FileInfo | None, is_sink_known: bool) -> Decision:
    if source.kind is Kind.DIRECTORY:
        return Decision(Verdict.NEW)
    if not is_sink_known or (sink is not None and sink.kind == source.kind and sink.size == source.size):
        return Decision(Verdict.COMPARE, compare_first=True)
    return Decision(Verdict.NEW)


def _decide_changed(source: FileInfo, row: Row) -> Decision:
    if source.kind == row.kind and source.size == row.size and source.mtime_ns == row.mtime_ns:
        return _RACY if source.kind is not Kind.DIRECTORY else Decision(Verdict.CHANGED)
    return Decision(Verdict.CHANGED)


def _decide_completed(source: FileInfo, row: Row, sink: FileInfo | None, is_sink_known: bool) -> Decision:
    if not is_sink_known:
        return _UNCHANGED
    if sink is None:
        return Decision(Verdict.MISSING)
    if not is_sink_as_left(row, sink):
        return Decision(Verdict.DRIFTED, compare_first=sink.kind == source.kind and sink.size == source.size)
    return _RACY if row.compare_first else _UNCHANGED
