"""A block of lines at the end of a terminal that is drawn over and over.

The cursor rests in an empty line at the top of the block, where other output (a warning, a log line) may come at any
time: it lands there, and the next drawing begins below it. A window that got wider, higher or lower is met the same
way: the old lines lie behind the cursor, and a drawing clears everything behind it. In one that got narrower than they
are, many a terminal wraps them and leaves the cursor anywhere; then what is visible is scrolled away, nothing of it is
lost, and the drawing begins on an empty screen. Nothing has to be restored at the end, by a kill neither: the cursor is
never hidden, and lines wrap again at the end of each drawing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from jobs.terminal.columns import cut, width

_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"


class Size(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    rows: int


class Screen:
    """Draws on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_empty = True
        self._widest = 0

    def size(self) -> Size:
        """As it is now; 80 by 24 where the terminal does not tell."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return Size(80, 24)
        return Size(columns or 80, rows or 24)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines instead of the last ones, each cut to the width, all of them to the height.

        One write and no clearing ahead: nothing flickers."""
        columns, rows = self.size()
        shown = [cut(line, columns - 1) for line in lines[: max(1, rows - 2)]]
        body = "".join(f"\n\r{line}{_CLEAR_LINE}" for line in shown)
        begin = f"{self._away()}\r{_NO_WRAP}{_CLEAR_LINE}"
        self._stream.write(f"{begin}{body}{_CLEAR_BELOW}\x1b[{len(shown)}A\r{_WRAP}")
        self._stream.flush()
        self._is_empty, self._widest = False, max(map(width, shown), default=0)

    def clear(self) -> None:
        """Take the lines away; what is written next stands where they began."""
        if not self._is_empty:
            self._stream.write(f"{self._away()}\r{_CLEAR_BELOW}")
            self._stream.flush()
            self._is_empty, self._widest = True, 0

    def _away(self) -> str:
        """Scrolls the screen empty where the last lines are wider than it is by now."""
        columns, rows = self.size()
        return f"\x1b[{rows};1H" + "\n" * rows + "\x1b[H" if self._widest > columns else ""
