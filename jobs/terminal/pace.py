"""How fast it goes now, and how long that takes for what is left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

#: Bytes are counted at checkpoints, up to 2 s apart: a shorter window would jump.
WINDOW_SECONDS = 15.0


class _Sample(NamedTuple):
    at: float
    bytes_done: int
    files_done: int


class Pace:
    """Speed over the last seconds, from what was done at some moments (monotonic seconds)."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def add(self, at: float, bytes_done: int, files_done: int) -> None:
        """So much is done at this moment."""
        if len(self._samples) == 1 and self._samples[0][1:] == (bytes_done, files_done):
            self._samples.clear()  # it has not begun; the wait for that is no part of its speed
        self._samples.append(_Sample(at, bytes_done, files_done))
        while len(self._samples) > 2 and self._samples[1].at <= at - WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def bytes_per_second(self) -> float:
        """0 while there is nothing to tell it from."""
        return self._per_second(lambda sample: sample.bytes_done)

    @property
    def files_per_second(self) -> float:
        """The same of files."""
        return self._per_second(lambda sample: sample.files_done)

    def eta(self, bytes_left: int, files_left: int) -> float | None:
        """Seconds until bytes and files are done, whichever takes longer; None if it can't be said."""
        pairs = ((bytes_left, self.bytes_per_second), (files_left, self.files_per_second))
        times = [left / speed for left, speed in pairs if left > 0 and speed > 0]
        if not times or (bytes_left > 0 and self.bytes_per_second <= 0):
            return None if bytes_left > 0 or files_left > 0 else 0.0
        return max(times)

    def _per_second(self, count: Callable[[_Sample], int]) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return max(0.0, (count(last) - count(first)) / max(last.at - first.at, 0.001))
