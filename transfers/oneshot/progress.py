"""Live progress: a bar on a terminal, a line every few seconds elsewhere. Always on stderr."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from jobs.selectors import job_progress
from jobs.states import TaskStatus
from transfers.oneshot.session import Session

LINE_SECONDS = 5.0
BAR_SECONDS = 0.5
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def human_bytes(count: float) -> str:
    """1.5 GiB."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{int(count)} B"


def human_seconds(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressLine:
    """Called often; draws when it is time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._pause = BAR_SECONDS if self._is_terminal else LINE_SECONDS
        self._last = time.monotonic()
        self._start: tuple[float, int] | None = None

    def __call__(self, session: Session) -> None:
        """Draw if it is time."""
        now = time.monotonic()
        if self._start is None:
            self._start = now, job_progress(session.job).bytes_done
        if now - self._last < self._pause:
            return
        self._last = now
        self._draw(self._text(session, now, *self._start))

    def close(self) -> None:
        """Remove the bar."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self, text: str) -> None:
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{text[: width - 1]}")
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def _text(self, session: Session, at: float, start: float, start_bytes: int) -> str:
        if session.request.is_dry_run:
            return f"looking: {session.scan.files_seen:,} files"
        now = job_progress(session.job)
        done = now.by_status[TaskStatus.COMPLETED] + now.by_status[TaskStatus.FAILED]
        rate = (now.bytes_done - start_bytes) / max(at - start, 0.001)
        scanning = "" if session.scan.finished_at else "  (still scanning)"
        return (
            f"{done:,}/{now.files:,} files  {human_bytes(now.bytes_done)}/{human_bytes(now.bytes_total)}"
            f"  {now.fraction:.0%}  {human_bytes(rate)}/s"
            f"  {self._eta(now.bytes_total - now.bytes_done, rate)}{scanning}"
        )

    @staticmethod
    def _eta(left: int, rate: float) -> str:
        return f"ETA {human_seconds(left / rate)}" if rate > 0 and left > 0 else "ETA –"
