"""What a scan has found and not written yet: tasks to make or change, paths that went and came back, findings."""

from __future__ import annotations

import hashlib

from jobs import transitions
from jobs.models import Finding, Scan
from jobs.pages import Row
from jobs.sql.rows import NewTask, SeenTask
from jobs.states import TaskStatus
from jobs.transitions import Seen
from storage_backends.base import FileInfo, Kind
from storage_backends.names import display_path
from transfers.scan.decide import Decision, Verdict

#: The words of the rows as plain strings: enums are slow.
_KINDS = {kind: kind.value for kind in Kind}
_PENDING, _SKIPPED = TaskStatus.PENDING.value, TaskStatus.SKIPPED.value

_TEXTS = {
    "SPECIAL_FILE": "It is a FIFO, socket or device; those are not copied.",
    "RESERVED_NAME": "Its name looks like a partial of SyncF; rename it to have it copied.",
}


class Changes:
    """Of one scan. A preview keeps the findings alone."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.count = 0
        """Paths that wait to be written, about."""
        self.in_hand: list[bytes] = []
        """Directories in a slave's hand while something directly inside them is about to change; not written here."""
        self._new: list[NewTask] = []
        self._seen: list[Seen] = []
        self._gone: list[int] = []
        self._back: list[int] = []
        self._findings: list[Finding] = []
        self._findings_left = Finding.LIMIT

    def add(self, source: FileInfo, row: Row | None, decision: Decision) -> None:
        """A path that is to become what was decided."""
        self.count += 1
        verdict, code = decision.verdict, decision.reason_code
        text = _TEXTS[code] if code else ""
        if code or self._scan.is_preview:
            self.find(verdict, source.path, source.size, code, text)
        status = _SKIPPED if verdict is Verdict.SKIPPED else _PENDING
        looks = (source.size, source.mtime_ns, source.version, decision.compare_first, code, text)
        if row is None:
            digest = hashlib.sha256(source.path).digest()
            shown = display_path(source.path) or "."
            self._new.append(NewTask(_KINDS[source.kind], source.path, digest, shown, status, *looks))
        elif row.status == TaskStatus.IN_PROGRESS:
            self.in_hand.append(source.path)
        else:
            change = SeenTask(row.id, row.status, _KINDS[source.kind], status, *looks, False)
            self._seen.append(Seen(change, row.kind, row.size))

    def add_gone(self, row: Row) -> None:
        """The source has it no more."""
        self.count += 1
        self.find(Verdict.GONE, row.path, row.size, "SOURCE_GONE", "It is gone from the source; the sink's stays.")
        self._gone.append(row.id)

    def add_back(self, row: Row) -> None:
        """It was gone from the source, and is there again as it was."""
        self.count += 1
        self._back.append(row.id)

    def find(self, verdict: str, path: bytes, size: int, code: str, text: str) -> None:
        """Something to be told of this path, as long as there are not too many."""
        if self._findings_left:
            self._findings_left -= 1
            finding = Finding(scan=self._scan, verdict=verdict, size=size, reason_code=code, reason_text=text)
            finding.path_display = display_path(path) or "."
            self._findings.append(finding)

    def write(self) -> bool:
        """All of it. False if a row is not what it was any more, so that only another scan can tell what it is to
        become."""
        is_as_seen = self._scan.is_preview or self._write_tasks()
        Finding.objects.bulk_create(self._findings)
        return is_as_seen

    def clear(self) -> None:
        """Once that is committed."""
        for batch in (self._new, self._seen, self._gone, self._back, self._findings):
            batch.clear()
        self.count = 0

    def _write_tasks(self) -> bool:
        job_id = self._scan.job_id
        transitions.discover(job_id, self._new)
        is_as_seen = transitions.rediscover(job_id, self._seen) == len(self._seen)
        if self._gone:
            transitions.mark_gone(job_id, self._gone)
        if self._back:
            transitions.mark_back(self._back)
        return is_as_seen
