"""A token bucket for bytes: on average never more than the rate, never asleep for long."""

from __future__ import annotations

import time
from collections.abc import Callable

SLICE_SECONDS = 0.2
"""The longest sleep at a stretch, so that a stop or a new rate is noticed."""
SHORTEST_SECONDS = 0.001
BURST_SECONDS = 0.5
"""Unused budget that may be saved up."""


class TokenBucket:
    """Pays for bytes before they are sent. One thread."""

    def __init__(
        self,
        rate: Callable[[], int],
        is_interrupted: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`rate` in bytes per second, 0 for unlimited, asked again in every slice. `is_interrupted` may raise."""
        self._rate = rate
        self._is_interrupted = is_interrupted
        self._clock = clock
        self._sleep = sleep
        self._budget = 0.0
        self._filled_at = clock()

    def take(self, count: int) -> None:
        """Returns when `count` bytes may be sent, or early when interrupted."""
        if not self._fill():
            return
        self._budget -= count
        while self._budget < 0 and not self._is_interrupted():
            rate = self._rate()
            if not rate:
                self._budget = 0.0  # no debt: perhaps it is not asked again before there is a rate
                return
            self._sleep(max(SHORTEST_SECONDS, min(SLICE_SECONDS, -self._budget / rate)))
            self._fill()

    def _fill(self) -> bool:
        """Add what the time since the last call is worth; False (and no debt) when there is no limit."""
        now, rate = self._clock(), self._rate()
        earned = (now - self._filled_at) * rate
        self._filled_at = now
        self._budget = min(self._budget + earned, rate * BURST_SECONDS) if rate else 0.0
        return rate > 0
