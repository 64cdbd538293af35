"""Reading objects: one in ranges that are fetched ahead, or many small ones ahead of time.

A request to a service costs its way there and back, so several are under way while the caller works on what came. How
much is held in memory is bounded by the windows below, for each storage that is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, Protocol

from storage_backends.base import FileInfo, OpenFile
from storage_backends.errors import StorageError
from storage_backends.objects.client import ObjectClient, Stored
from storage_backends.objects.talks import Talks

RANGE_BYTES = 8 << 20
RANGES_AHEAD = 4
"""Each in a buffer that is used again and again: new memory costs as much as what is copied into it."""
SMALL_AHEAD, SMALL_AHEAD_BYTES = 32, 64 << 20
"""Small objects that are fetched before they are asked for, and what they may take together."""


class ObjectFile(OpenFile):
    """One object, pinned to the version it had when it was opened."""

    def __init__(self, client: ObjectClient, stored: Stored, info: FileInfo, threads: Callable[[], Executor]) -> None:
        self.info = info
        self._client, self._stored = client, stored
        self._threads = threads
        self._window: dict[int, Future[bytearray]] = {}
        """Ranges that are under way or here, by their number."""
        self._free: list[bytearray] = []
        self._expected_offset = 0
        """Where a caller that reads in order goes on; only such a one is read ahead for."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        wanted = max(0, min(len(buffer), self.info.size - offset))
        if not wanted:
            return 0
        is_in_order = offset == self._expected_offset
        self._expected_offset = offset + wanted
        if not is_in_order or self.info.size <= RANGE_BYTES:
            self._read(offset, buffer[:wanted])
            return wanted
        done = 0
        while done < wanted:
            done += self._take(offset + done, buffer[done:wanted])
        return done

    def pieces(self) -> Iterator[memoryview]:
        """The ranges as they came, without a copy."""
        for number in range(self._ranges):
            yield self._range(number)

    def is_unchanged(self) -> bool:
        return self._client.version_at(self._stored.key) == self._stored.version

    def close(self) -> None:
        for future in self._window.values():
            future.cancel()
        self._window.clear()
        self._free.clear()

    def _take(self, offset: int, buffer: memoryview) -> int:
        """Copy from the range that `offset` lies in."""
        number, inside = divmod(offset, RANGE_BYTES)
        data = self._range(number)[inside : inside + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    @property
    def _ranges(self) -> int:
        return -(-self.info.size // RANGE_BYTES)

    def _range(self, first: int) -> memoryview:
        """Wait for one, and see to it that the next ones are under way; those before are forgotten."""
        for number in [number for number in self._window if number < first]:
            self._forget(number)
        for number in range(first, min(first + RANGES_AHEAD, self._ranges)):
            if number not in self._window:
                free = self._free.pop() if self._free else bytearray(RANGE_BYTES)
                self._window[number] = self._threads().submit(self._fetch, number, free)
        return memoryview(self._window[first].result())[: self._length(first)]

    def _forget(self, number: int) -> None:
        """A range that was passed; its buffer is free unless it is still being written to."""
        future = self._window.pop(number)
        if future.done() and not future.cancelled() and future.exception() is None:
            self._free.append(future.result())
        future.cancel()

    def _length(self, number: int) -> int:
        return min(RANGE_BYTES, self.info.size - number * RANGE_BYTES)

    def _fetch(self, number: int, buffer: bytearray) -> bytearray:
        self._read(number * RANGE_BYTES, memoryview(buffer)[: self._length(number)])
        return buffer

    def _read(self, offset: int, buffer: memoryview) -> None:
        count = self._client.read_range(self._stored.key, self._stored.version, offset, buffer)
        if count != len(buffer):
            raise StorageError(f"the storage sent {count:,} of {len(buffer):,} bytes at {offset:,}; it is read again")


class Fetch(Protocol):
    """An object that is on its way."""

    def result(self) -> tuple[FileInfo, bytes]:
        """Waits. Raises what fetching it met."""

    def cancel(self) -> Any:
        """It is not wanted any more, nor are the others."""


class ReadAhead:
    """Whole small objects, fetched in the order in which they will be asked for. One thread uses it."""

    def __init__(
        self, get: Callable[[bytes, int], tuple[FileInfo, bytes]], begin: Callable[[bytes, int], Fetch]
    ) -> None:
        self._get, self._begin = get, begin
        self._coming: deque[bytes] = deque()
        self._under_way: dict[bytes, Fetch] = {}
        self._max_bytes = 0

    def expect(self, paths: Sequence[bytes], max_bytes: int) -> None:
        """These will be taken; what was expected before and not taken is forgotten."""
        self.forget()
        self._coming.extend(paths)
        self._max_bytes = max_bytes
        self._fetch_more()

    def take(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        """The object, fetched now if it was not expected. Raises what fetching it met."""
        fetch = self._under_way.pop(path, None)
        self._fetch_more()
        if fetch is None or max_bytes != self._max_bytes:
            return self._get(path, max_bytes)
        return fetch.result()

    def forget(self) -> None:
        """Fetch nothing more."""
        self._coming.clear()
        for fetch in self._under_way.values():
            fetch.cancel()
        self._under_way.clear()

    def _fetch_more(self) -> None:
        most = max(2, min(SMALL_AHEAD, SMALL_AHEAD_BYTES // max(1, self._max_bytes)))
        while self._coming and len(self._under_way) < most:
            path = self._coming.popleft()
            self._under_way[path] = self._begin(path, self._max_bytes)


class TalkedAbout(NamedTuple):
    """An object that is fetched by a talk; one that comes to nothing is fetched at once when it is asked for."""

    talks: Talks[tuple[FileInfo, bytes] | None]
    path: bytes
    get: Callable[[], tuple[FileInfo, bytes]]

    def result(self) -> tuple[FileInfo, bytes]:
        """See `Fetch`."""
        return self.talks.take(self.path) or self.get()

    def cancel(self) -> None:
        """See `Fetch`."""
        self.talks.forget()
