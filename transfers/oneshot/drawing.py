"""Reads how a one-shot sync stands and shows it. Loaded only when there is something to draw."""

from __future__ import annotations

from typing import TextIO

from jobs.models import TaskKind
from jobs.selectors import Progress, job_progress
from jobs.states import TaskStatus
from jobs.terminal.live import MOST_NAMED, InFlight, Picture, block, one_line
from jobs.terminal.pace import Pace
from jobs.terminal.screen import Screen, is_terminal
from jobs.waiting import tasks_in_hand
from storage_backends.names import display_path
from transfers.oneshot.session import Session


class Drawing:
    """A block of lines on a terminal, a line at a time elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._screen = Screen(stream) if is_terminal(stream) else None
        self._pace = Pace()

    def show(self, session: Session, at: float) -> None:
        """How it stands now; `at` is in monotonic seconds."""
        if session.request.is_dry_run:
            self._draw([f"looking: {session.scan.files_seen:,} files seen"])
            return
        progress = job_progress(session.job)
        self._pace.add(at, progress.bytes_done, progress.by_status[TaskStatus.COMPLETED])
        picture = self._picture(session, progress)
        if self._screen is None:
            self._draw([one_line(picture)])
        else:
            self._draw(block(picture, self._screen.size()))

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._screen is not None:
            self._screen.clear()

    def _draw(self, lines: list[str]) -> None:
        if self._screen is not None:
            self._screen.draw(lines)
        else:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()

    def _picture(self, session: Session, progress: Progress) -> Picture:
        bytes_left = progress.bytes_total - progress.bytes_done
        ended = progress.by_status[TaskStatus.COMPLETED] + progress.by_status[TaskStatus.FAILED]
        files = tasks_in_hand().filter(job=session.job, kind=TaskKind.FILE)
        rows = files.order_by("-copied_bytes", "-size", "id").values_list("path_display", "copied_bytes", "size")
        return Picture(
            title=display_path(str(session.job).encode(errors="surrogateescape")),
            progress=progress,
            is_scanning=session.scan.finished_at is None,
            files_seen=session.scan.files_seen,
            bytes_per_second=self._pace.bytes_per_second,
            eta=self._pace.eta(bytes_left, progress.files - ended),
            in_flight=[InFlight(*row) for row in rows[:MOST_NAMED]],
            in_hand=files.count(),
        )
