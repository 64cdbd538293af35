"""Bytes per second over the last while, for people."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 30.0


class Throughput:
    """A sliding window; added to by the main loop, read by the heartbeat."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=10_000)

    def add(self, count: int) -> None:
        """So many bytes were just sent."""
        self._samples.append((time.monotonic(), count))

    def __call__(self) -> int:
        """Bytes per second."""
        start = time.monotonic() - WINDOW_SECONDS
        return int(sum(count for at, count in tuple(self._samples) if at >= start) / WINDOW_SECONDS)
