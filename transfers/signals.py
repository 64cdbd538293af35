"""SIGTERM and SIGINT as a flag that loops look at and wait for."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection
from contextlib import suppress
from types import FrameType


class StopFlag:
    """Set by SIGTERM or SIGINT; a second signal of the same kind ends the process at once.

    A pipe, not a threading.Event: a handler runs in the main thread, perhaps while that thread itself holds the event's
    lock inside `wait`, and would wait for it for ever.
    """

    def __init__(self, signals: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self.signal: int | None = None
        self._awake, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in signals:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        with suppress(BlockingIOError):
            os.write(self._wake, b"!")
        signal.signal(number, signal.SIG_DFL)

    def is_set(self) -> bool:
        """Whether the process was asked to end."""
        return self.signal is not None

    def wait(self, seconds: float) -> bool:
        """Wait up to so long for the flag, or for `wake`; returns the flag."""
        if not self.is_set() and select.select([self._awake], [], [], max(0.0, seconds))[0]:
            with suppress(BlockingIOError):
                os.read(self._awake, 1 << 16)  # all there is
        return self.is_set()

    def wake(self) -> None:
        """End the `wait` under way, or the next one. From any thread."""
        with suppress(BlockingIOError):
            os.write(self._wake, b".")
