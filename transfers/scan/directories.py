"""The directories the scan is inside of. A directory is decided when the scan *leaves* it, because one that gets a
new file must have its times set again afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.pages import Row
from storage_backends.base import FileInfo
from transfers.scan.decide import COPYING, Decision, Verdict, decide


class _Open:
    __slots__ = ("has_files", "is_sink_known", "is_touched", "row", "sink", "source")

    def __init__(self, source: FileInfo, row: Row | None, sink: FileInfo | None, is_sink_known: bool) -> None:
        self.source, self.row, self.sink, self.is_sink_known = source, row, sink, is_sink_known
        self.is_touched = self.has_files = False


class Trail:
    """From the root down to where the scan is."""

    def __init__(self, *, keep_empty: bool) -> None:
        """`keep_empty` false: directories without a single wanted file or link below are left out."""
        self._open: list[_Open] = []
        self._keep_empty = keep_empty

    def enter(
        self, source: FileInfo, row: Row | None, sink: FileInfo | None, *, is_sink_known: bool = True
    ) -> None:
        """The scan goes into a directory."""
        self._open.append(_Open(source, row, sink, is_sink_known))

    def note_file(self) -> None:
        """A wanted file or link lies directly inside the innermost directory."""
        if self._open:
            self._open[-1].has_files = True

    def touch(self) -> None:
        """Something directly inside the innermost directory will be written at the sink."""
        if self._open:
            self._open[-1].is_touched = True

    def leave(self, path: bytes) -> Iterator[tuple[FileInfo, Row | None, Decision]]:
        """The directories that do not contain `path` (b"": all of them), innermost first, each with its decision."""
        while self._open and not (path and path.startswith(self._open[-1].source.path)):
            left = self._open.pop()
            if left.has_files and self._open:
                self._open[-1].has_files = True
            if left.has_files or self._keep_empty:
                yield left.source, left.row, self._decide(left)

    @staticmethod
    def _decide(left: _Open) -> Decision:
        decision = decide(left.source, left.row, left.sink, is_sink_known=left.is_sink_known)
        if left.is_touched and decision.verdict not in COPYING:
            return Decision(Verdict.CHANGED)
        return decision
