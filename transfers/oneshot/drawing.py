"""Shows how a one-shot sync stands. Loaded only when there is something to draw."""

from __future__ import annotations

from typing import TextIO

from jobs.terminal.look import look
from jobs.terminal.show import Show
from transfers.oneshot.session import Session


class Drawing:
    """Of one sync."""

    def __init__(self, stream: TextIO) -> None:
        self._show = Show(stream)

    def draw(self, session: Session) -> None:
        """How it stands now."""
        if session.request.is_dry_run:
            self._show.words(f"looking: {session.scan.files_seen:,} files seen")
        else:
            self._show.picture(look(session.job, session.scan))

    def clear(self) -> None:
        """Leave the terminal as it was."""
        self._show.clear()
