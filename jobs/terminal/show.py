"""Shows pictures of a job: drawn over each other on a terminal, one line each elsewhere."""

from __future__ import annotations

from typing import TextIO

from jobs.terminal import is_terminal
from jobs.terminal.live import Picture, block, one_line
from jobs.terminal.screen import Screen


class Show:
    """On one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._screen = Screen(stream) if is_terminal(stream) else None

    def picture(self, picture: Picture) -> None:
        """How a job stands now."""
        if self._screen is None:
            self.words(one_line(picture))
        else:
            self._screen.draw(block(picture, self._screen.size()))

    def words(self, line: str) -> None:
        """One line instead of a picture."""
        if self._screen is None:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        else:
            self._screen.draw([line])

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._screen is not None:
            self._screen.clear()
