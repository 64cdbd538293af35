"""SIGTERM and SIGINT as a flag that loops look at."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class StopFlag:
    """Set by SIGTERM or SIGINT; a second signal of the same kind ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._event.set()
        signal.signal(number, signal.SIG_DFL)

    def is_set(self) -> bool:
        """Whether the process was asked to end."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait up to so long for the flag; returns it."""
        return self._event.wait(seconds)
