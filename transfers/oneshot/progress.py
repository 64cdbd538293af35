"""Live progress of a one-shot sync: drawn over and over on a terminal, a line every few seconds elsewhere. Always on
stderr.

A sync that ends before the first drawing pays for none of it: what draws is imported then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from jobs.terminal import is_terminal
from transfers.oneshot.session import Session

if TYPE_CHECKING:
    from transfers.oneshot.drawing import Drawing

#: Between two looks; before the first drawing there is as long a pause.
DRAW_SECONDS, LINE_SECONDS = 0.5, 5.0


class ProgressDisplay:
    """Called often; draws when it is time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pause = DRAW_SECONDS if is_terminal(stream) else LINE_SECONDS
        self._next = time.monotonic() + self._pause
        self._drawing: Drawing | None = None
        self._is_closed = False

    def __call__(self, session: Session) -> None:
        """Draw if it is time."""
        now = time.monotonic()
        if now < self._next or self._is_closed:
            return
        self._next = now + self._pause
        if self._drawing is None:
            from transfers.oneshot.drawing import Drawing

            self._drawing = Drawing(self._stream)
        self._drawing.draw(session)

    def close(self, last_words: str = "") -> None:
        """Leave the terminal as it was and say `last_words`, once."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._drawing is not None:
            self._drawing.clear()
        if last_words:
            self._stream.write(f"{last_words}\n")
            self._stream.flush()
