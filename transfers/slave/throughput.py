"""What this slave copies: a speed for its own row, and per job what goes to the history. For people, never for safety.

Bytes count when they were sent, not when their file is complete: a file of hours shows all the while.
"""

from __future__ import annotations

import time
import uuid
from collections import deque

from jobs.samples import Moved
from jobs.uploads import Key

WINDOW_SECONDS = 30.0


class Throughput:
    """Added to by the main loop; the speed is read by the heartbeat's thread."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque(maxlen=10_000)
        self._counted: dict[Key, int] = {}
        """Bytes of files under way that were counted already."""
        self._moved: dict[uuid.UUID, Moved] = {}

    def progressed(self, job_id: uuid.UUID, key: Key, sent: int) -> None:
        """So many bytes of this file were sent in this attempt so far."""
        self._add(job_id, sent - self._counted.get(key, 0), 0)
        self._counted[key] = sent

    def ended(self, job_id: uuid.UUID, key: Key, sent: int, *, is_complete: bool) -> None:
        """The attempt is over; so many bytes were sent in it."""
        self._add(job_id, sent - self._counted.pop(key, 0), int(is_complete))

    def copied(self, job_id: uuid.UUID, files: int, size: int) -> None:
        """Files of which no progress was told are complete."""
        self._add(job_id, size, files)

    def _add(self, job_id: uuid.UUID, size: int, files: int) -> None:
        self._sent.append((time.monotonic(), size))
        known = self._moved.get(job_id, Moved(0, 0))
        self._moved[job_id] = Moved(known.files + files, known.bytes + size)

    def moved(self) -> dict[uuid.UUID, Moved]:
        """What was moved since the last `forget`, per job."""
        return dict(self._moved)

    def forget(self) -> None:
        """It is in the history."""
        self._moved.clear()

    def __call__(self) -> int:
        """Bytes per second over the last while."""
        start = time.monotonic() - WINDOW_SECONDS
        return int(sum(count for at, count in tuple(self._sent) if at >= start) / WINDOW_SECONDS)
