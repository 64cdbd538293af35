"""One scan: merge source, catalogue and sink, decide per path, write tasks in batches while it goes on.

Slaves start copying the first batch while the scan is still reading the tree. Memory is bounded by the largest
directory of either side. Nothing is ever deleted. Where a directory can't be listed, everything below it is
*unknown*: its rows are neither unchanged nor gone, and the error is counted and kept as a finding.

A scan works under a lease on its row (owner and epoch); every batch is written only while it holds. A scan that
dies is simply repeated: rows it wrote are found again as waiting.
"""

from __future__ import annotations

import logging
import time
from collections import Counter as Multiset
from collections import deque
from collections.abc import Callable, Mapping

from django.db import transaction

from jobs import scans, transitions
from jobs.catalogue import tasks_at
from jobs.models import Scan, TaskKind
from jobs.pages import Row
from jobs.states import TaskStatus
from jobs.storages import Side
from storage_backends.base import FileInfo, Kind, ListError
from transfers.scan.changes import Changes
from transfers.scan.decide import COPYING, Decision, Verdict, decide, is_same_source
from transfers.scan.directories import Trail
from transfers.scan.joining import NONE, Joining, Opened, Processes
from transfers.scan.rules import Rules

log = logging.getLogger(__name__)

#: Paths whose changes are written in one transaction: few at first, so that slaves begin soon, then twice as many each
#: time up to the most.
FIRST_BATCH_PATHS, BATCH_PATHS = 250, 2000
#: At least so often the counters are written, and a kill or shutdown noticed, however little there is to change.
FLUSH_SECONDS = 1.0
#: How long directories may stay in a slave's hand before the scan ends without them; a pass takes well under a second.
IN_HAND_SECONDS = 60.0

#: A directory that only gets its mode and times again changes nothing in the one above it.
_MAKING = frozenset({Verdict.NEW, Verdict.MISSING})

#: The counter of a scan that each verdict adds to, as plain strings: enums are slow.
_COUNTERS = {**{each: each.value for each in Verdict}, Verdict.MISSING: "drifted", Verdict.COMPARE: "compared"}


class ScanLost(Exception):
    """The scan's lease went to somebody else, or its job was killed: write nothing more."""


class ScanRun:
    """A scan under way."""

    def __init__(
        self,
        scan: Scan,
        sides: Mapping[Side, Opened],
        *,
        with_root: bool,
        should_stop: Callable[[], bool],
        processes: Processes = NONE,
    ) -> None:
        """`with_root`: the job's own directory gets the source's mode and times like any other."""
        self._scan, self._job = scan, scan.job
        self.must_look_again = False
        """A slave had a file in hand that looks newer than when it was claimed, or settled it under our eyes: what it
        copied may be the older version, and only another scan can tell."""
        self._should_stop = should_stop
        self._has_directories = sides["sink"].storage.capabilities.has_directories
        with_root = with_root and self._has_directories and sides["source"].storage.capabilities.has_directories
        self._rules = Rules(self._job.exclude, self._job.include)
        self._joining = Joining(self._job, sides, self._rules, with_root=with_root, processes=processes)
        self._trail = Trail(keep_empty=not self._rules.has_include)
        self._unknown: dict[Side, deque[bytes]] = {"source": deque(), "sink": deque()}
        self._counts: Multiset[str] = Multiset(files_seen=0)
        self._changes = Changes(scan)
        self._batch_paths = min(FIRST_BATCH_PATHS, BATCH_PATHS)
        self._flush_at = time.monotonic() + FLUSH_SECONDS

    def run(self) -> None:
        """Scan to the end. Raises ScanLost, Refusal or OutOfOrder; what was written until then stands."""
        changes = self._changes
        for source, row, sink in self._joining.paths(self._note_error):
            if found := source or row:
                for left in self._trail.leave(found.path):
                    self._take(*left)
                self._visit(source, row, sink)
            if changes.count >= self._batch_paths or time.monotonic() >= self._flush_at:
                self._flush()
        for left in self._trail.leave(b""):
            self._take(*left)
        self._flush()
        self._revisit()

    def _note_error(self, side: Side, entry: ListError) -> None:
        self._unknown[side].append(entry.path)
        self._counts["errors"] += 1
        self._changes.find("error", entry.path, 0, f"{side.upper()}_{entry.error.code}", str(entry.error))

    def _is_unknown(self, side: Side, path: bytes) -> bool:
        """Errors and paths both come in byte order, so those that are passed can be dropped."""
        unknown = self._unknown[side]
        while unknown and unknown[0] < path and not path.startswith(unknown[0]):
            unknown.popleft()
        return bool(unknown) and path.startswith(unknown[0])

    # ── one path ──────────────────────────────────────────────────────────────────────────────────────────────

    def _visit(self, source: FileInfo | None, row: Row | None, sink: FileInfo | None) -> None:
        if source is None:
            if row is not None:
                self._visit_absent(row)
            return
        if source.path and not self._rules.wants(source.path):
            return
        is_sink_known = sink is not None or not self._is_unknown("sink", source.path)
        if source.kind is Kind.DIRECTORY:
            if self._has_directories:
                self._trail.enter(source, row, sink, is_sink_known=is_sink_known)
            return
        self._trail.note_file()
        decision = decide(source, row, sink, is_sink_known=is_sink_known)
        self._count_file(source)
        self._take(source, row, decision)

    def _count_file(self, source: FileInfo) -> None:
        if source.kind is Kind.FILE:
            self._counts["files_seen"] += 1
            self._counts["bytes_seen"] += source.size

    def _visit_absent(self, row: Row) -> None:
        if not row.path or self._is_unknown("source", row.path) or not self._rules.wants(row.path):
            return
        if not row.is_gone:
            self._counts["gone"] += 1
            self._changes.add_gone(row)

    def _take(self, source: FileInfo, row: Row | None, decision: Decision) -> None:
        verdict = decision.verdict
        if verdict is Verdict.UNCHANGED:
            self._counts["unchanged"] += source.kind is Kind.FILE
        elif verdict is Verdict.WAITING:
            self._counts["skipped"] += bool(decision.reason_code)
            self.must_look_again |= _is_outdated_in_hand(source, row)
        else:
            self._take_changed(source, row, decision)
            return
        if row is not None and row.is_gone:
            self._changes.add_back(row)

    def _take_changed(self, source: FileInfo, row: Row | None, decision: Decision) -> None:
        verdict = decision.verdict
        self._count_verdict(source, verdict)
        if verdict in (_MAKING if source.kind is Kind.DIRECTORY else COPYING):
            self._trail.touch()
        self._changes.add(source, row, decision)

    def _count_verdict(self, source: FileInfo, verdict: Verdict) -> None:
        if source.kind is Kind.DIRECTORY:
            return
        self._counts[_COUNTERS[verdict]] += 1
        if verdict in COPYING and verdict is not Verdict.COMPARE:
            self._counts["bytes_to_copy"] += source.size

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────

    def _flush(self) -> None:
        if self._should_stop():
            raise ScanLost("the scheduler is stopping")
        with transaction.atomic():
            self._hold()
            self.must_look_again |= not self._changes.write()
        self._changes.clear()
        self._batch_paths = min(2 * self._batch_paths, BATCH_PATHS)
        self._flush_at = time.monotonic() + FLUSH_SECONDS

    def _revisit(self) -> None:
        """Directories that got their times while something directly inside them was about to change get them again,
        once their slave is done with them."""
        end, in_hand = time.monotonic() + IN_HAND_SECONDS, self._changes.in_hand
        while in_hand and not self._scan.is_preview:
            is_last = time.monotonic() >= end or not self._are_in_hand(in_hand)
            with transaction.atomic():
                self._hold()
                transitions.revisit_directories(self._job.pk, in_hand)
            if is_last or self._should_stop():
                return
            time.sleep(0.1)

    def _are_in_hand(self, paths: list[bytes]) -> bool:
        directories = tasks_at(self._job.pk, paths[:BATCH_PATHS]).filter(kind=TaskKind.DIRECTORY)
        return directories.filter(owner__isnull=False).exists()

    def _hold(self) -> None:
        """Fence: the counters are written only while the scan is ours and its job alive."""
        if not scans.hold(self._scan, self._all_counts()):
            raise ScanLost("the scan was taken over or its job killed")

    def _all_counts(self) -> Multiset[str]:
        """With what the merge has passed over and nothing here has seen."""
        counts, files = self._counts.copy(), self._joining.passed_files
        counts.update(files_seen=files, unchanged=files, bytes_seen=self._joining.passed_bytes)
        return counts


def _is_outdated_in_hand(source: FileInfo, row: Row | None) -> bool:
    is_in_hand = row is not None and row.status == TaskStatus.IN_PROGRESS and source.kind is not Kind.DIRECTORY
    return is_in_hand and row is not None and not is_same_source(source, row)
