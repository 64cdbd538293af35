"""What a slave may tell a busy worker at any moment: one page of memory that both have mapped.

The parent writes, the worker reads between any two chunks (about a microsecond, no system call). Each fact is one
aligned 64-bit word, written and read in one piece::

    word 0   lease deadline, CLOCK_BOOTTIME seconds, a double. 0 at first: nothing may be written before it is set
    word 1   assignment number * 4 + Stop: a stop hits only the assignment it was meant for
    word 2   bytes per second, 0 for unlimited
"""

from __future__ import annotations

import mmap
import os
import time

from transfers.engine.contracts import LeaseLost, Stop
from transfers.engine.ratelimit import TokenBucket

PAGE_BYTES = mmap.PAGESIZE
_STOP_KINDS = 4
_NONE = Stop.NONE


def boottime() -> float:
    """The clock of lease deadlines: goes on while the machine sleeps, and no one can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ControlPage:
    """The page itself. The parent makes one and hands its `fd` to the worker, which maps it too."""

    def __init__(self, fd: int | None = None) -> None:
        """Map the page behind `fd` (owned from now on), or make a new one."""
        if fd is None:
            fd = os.memfd_create("syncf-control", os.MFD_CLOEXEC)
            os.ftruncate(fd, PAGE_BYTES)
        self.fd = fd
        self._map = mmap.mmap(fd, PAGE_BYTES)
        page = memoryview(self._map)
        self._seconds, self._words = page.cast("d"), page.cast("Q")

    @property
    def lease_deadline(self) -> float:
        """CLOCK_BOOTTIME seconds past which nothing may be written any more."""
        return self._seconds[0]

    @lease_deadline.setter
    def lease_deadline(self, seconds: float) -> None:
        self._seconds[0] = seconds

    @property
    def bytes_per_second(self) -> int:
        """The job's rate, 0 for unlimited."""
        return self._words[2]

    @bytes_per_second.setter
    def bytes_per_second(self, count: int) -> None:
        self._words[2] = count

    def set_stop(self, number: int, stop: Stop) -> None:
        """Ask the assignment `number` to end."""
        self._words[1] = number * _STOP_KINDS + stop

    def stop_of(self, number: int) -> Stop:
        """What was asked of the assignment `number`."""
        word = self._words[1]
        return Stop(word % _STOP_KINDS) if word // _STOP_KINDS == number else _NONE

    def close(self) -> None:
        """Unmap it. Idempotent."""
        if not self._map.closed:
            self._seconds.release()
            self._words.release()
            self._map.close()
            os.close(self.fd)


class PageControl:
    """The `Control` of one assignment, read from the page."""

    def __init__(self, page: ControlPage, number: int) -> None:
        self._page = page
        self._number = number
        self._bucket = TokenBucket(lambda: page.bytes_per_second, lambda: self.stop() is not Stop.NONE)

    def stop(self) -> Stop:
        """See `Control.stop`."""
        page = self._page
        if boottime() > page.lease_deadline:
            raise LeaseLost("the lease was not renewed in time")
        return page.stop_of(self._number)

    def has_rate(self) -> bool:
        """See `Control.has_rate`."""
        return self._page.bytes_per_second > 0

    def throttle(self, count: int) -> None:
        """See `Control.throttle`. Without a rate nothing is counted."""
        if self._page.bytes_per_second:
            self._bucket.take(count)
