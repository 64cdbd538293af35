"""Reading objects: one in ranges that are fetched ahead, or many small ones ahead of time.

A request to a service costs its way there and back, so several are under way while the caller works on what came. How
much is held in memory is bounded by the windows below, for each storage that is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from storage_backends.base import FileInfo, OpenFile
from storage_backends.errors import NotFound, StorageError
from storage_backends.objects.client import ObjectClient, Stored

RANGE_BYTES = 4 << 20
RANGES_AHEAD = 4
SMALL_AHEAD, SMALL_AHEAD_BYTES = 32, 64 << 20
"""Small objects that are fetched before they are asked for, and what they may take together."""


class ObjectFile(OpenFile):
    """One object, pinned to the version it had when it was opened."""

    def __init__(self, client: ObjectClient, stored: Stored, info: FileInfo, threads: Callable[[], Executor]) -> None:
        self.info = info
        self._client, self._stored = client, stored
        self._threads = threads
        self._window: dict[int, Future[memoryview]] = {}
        self._expected_offset = 0
        """Where a caller that reads in order goes on; only such a one is read ahead for."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        wanted = max(0, min(len(buffer), self.info.size - offset))
        if not wanted:
            return 0
        is_in_order = offset == self._expected_offset
        self._expected_offset = offset + wanted
        if not is_in_order or self.info.size <= RANGE_BYTES:
            buffer[:wanted] = self._read(offset, wanted)
            return wanted
        done = 0
        while done < wanted:
            done += self._take(offset + done, buffer[done:wanted])
        return done

    def is_unchanged(self) -> bool:
        try:
            return self._client.head(self._stored.key).version == self._stored.version
        except NotFound:
            return False

    def close(self) -> None:
        for future in self._window.values():
            future.cancel()
        self._window.clear()

    def _take(self, offset: int, buffer: memoryview) -> int:
        """Copy from the range that `offset` lies in, and see to it that the next ones are under way."""
        first, inside = divmod(offset, RANGE_BYTES)
        for number in [number for number in self._window if number < first]:
            del self._window[number]
        last = -(-self.info.size // RANGE_BYTES)
        for number in range(first, min(first + RANGES_AHEAD, last)):
            if number not in self._window:
                self._window[number] = self._threads().submit(self._fetch, number)
        data = self._window[first].result()[inside : inside + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def _fetch(self, number: int) -> memoryview:
        start = number * RANGE_BYTES
        return self._read(start, min(RANGE_BYTES, self.info.size - start))

    def _read(self, offset: int, length: int) -> memoryview:
        data = self._client.read_range(self._stored.key, self._stored.version, offset, length)
        if len(data) != length:
            raise StorageError(f"the storage sent {len(data):,} of {length:,} bytes at {offset:,}; it is read again")
        return data


class ReadAhead:
    """Whole small objects, fetched in the order in which they will be asked for. One thread uses it."""

    def __init__(self, get: Callable[[bytes, int], tuple[FileInfo, bytes]], threads: Callable[[], Executor]) -> None:
        self._get, self._threads = get, threads
        self._coming: deque[bytes] = deque()
        self._under_way: dict[bytes, Future[tuple[FileInfo, bytes]]] = {}
        self._max_bytes = 0

    def expect(self, paths: Sequence[bytes], max_bytes: int) -> None:
        """These will be taken; what was expected before and not taken is forgotten."""
        self.forget()
        self._coming.extend(paths)
        self._max_bytes = max_bytes
        self._fetch_more()

    def take(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        """The object, fetched now if it was not expected. Raises what fetching it met."""
        future = self._under_way.pop(path, None)
        self._fetch_more()
        if future is None or max_bytes != self._max_bytes:
            return self._get(path, max_bytes)
        return future.result()

    def forget(self) -> None:
        """Fetch nothing more."""
        self._coming.clear()
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()

    def _fetch_more(self) -> None:
        most = max(2, min(SMALL_AHEAD, SMALL_AHEAD_BYTES // max(1, self._max_bytes)))
        while self._coming and len(self._under_way) < most:
            path = self._coming.popleft()
            self._under_way[path] = self._threads().submit(self._get, path, self._max_bytes)
