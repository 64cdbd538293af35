"""From the service's order of names to ascending UTF-8, in bounded memory.

The service compares names in UTF-16, so that characters beyond U+FFFF come before those from U+E000 on. With a
hierarchical namespace it lists a folder right behind its name as well: `a/x` comes before `a-`.

In both cases a few names come *too early*: those that begin with some name followed by such a character. They are kept
back until the last name that belongs before them has passed. If they are many they are forgotten and listed once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from storage_backends.errors import StorageError
from storage_backends.names import display_path
from storage_backends.objects.client import Stored

MOST_KEPT = 5000
"""Names of one group: a page of the service's."""
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_BEYOND_OR_FOLDER = re.compile("[/\U00010000-\U0010ffff]")

List = Callable[[str], Iterator[Stored]]
"""What begins with a prefix, in the service's order."""


def ascending(listed: List, prefix: str, *, folders_come_early: bool) -> Iterator[Stored]:
    """All of `listed(prefix)` in ascending UTF-8. Raises StorageError if the service has yet another order."""
    last = b""
    for stored in _sorted(listed, prefix, _BEYOND_OR_FOLDER if folders_come_early else _BEYOND):
        key = stored.key.encode()
        if key <= last:
            raise StorageError(f"'{display_path(key)}' is listed in an order that nobody expected")
        last = key
        yield stored


class _Early:
    """Names that begin alike, up to a character that the service puts too early."""

    def __init__(self, start: str) -> None:
        self._base, self._is_folder = start[:-1], start.endswith("/")
        self._starts = [start]
        self._kept: list[Stored] = []
        self._is_too_much = False

    def takes(self, start: str) -> bool:
        """Whether what begins with `start` belongs here."""
        return start[:-1] == self._base

    def is_over(self, key: str) -> bool:
        """Whether nothing from `key` on belongs before these."""
        following = key[len(self._base) :][:1]
        return not key.startswith(self._base) or (self._is_folder and following > "/")

    def add(self, start: str, stored: Stored) -> None:
        if start != self._starts[-1]:
            self._starts.append(start)
        self._is_too_much = self._is_too_much or len(self._kept) >= MOST_KEPT
        if self._is_too_much:
            self._kept.clear()
        else:
            self._kept.append(stored)

    def release(self, listed: List, early: re.Pattern[str]) -> Iterator[Stored]:
        """All of them, in ascending UTF-8."""
        yield from sorted(self._kept, key=lambda stored: stored.key.encode())
        if self._is_too_much:
            for start in self._starts:
                yield from _sorted(listed, start, early)


def _sorted(listed: List, prefix: str, early: re.Pattern[str]) -> Iterator[Stored]:
    waiting: list[_Early] = []
    for stored in listed(prefix):
        while waiting and waiting[-1].is_over(stored.key):
            yield from waiting.pop().release(listed, early)
        found = early.search(stored.key, len(prefix))
        if not found:
            yield stored
            continue
        start = stored.key[: found.end()]
        if not waiting or not waiting[-1].takes(start):
            waiting.append(_Early(start))
        waiting[-1].add(start, stored)
    while waiting:
        yield from waiting.pop().release(listed, early)
