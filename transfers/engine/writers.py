"""How the parts of one big file get to the sink: one by one by the caller, or several at once by threads.

The caller owns a taken buffer until it is fed to the pipeline; from then on the hasher and, where parts are sent by
threads, the sender share it, and the last of them gives it back to the ring. So the ring is what bounds the memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from storage_backends.base import UploadSession
from storage_backends.errors import ChecksumMismatch
from transfers.engine.failures import at_sink
from transfers.engine.pipeline import Pipeline, same_bytes

IN_FLIGHT_BYTES = 256 << 20
"""Huge parts are sent fewer at once."""


class Writer(ABC):
    """Writes the parts of one upload. A context manager; used by one thread, except `wait`."""

    buffers: int | None = None
    """How many the ring needs; None: the pipeline's own choice."""

    @abstractmethod
    def write(self, pipeline: Pipeline, number: int, buffer: bytearray, length: int) -> None:
        """Feed a taken buffer to the pipeline, write it as part `number`. Raises what this or an earlier part met."""

    def wait(self, parts: int) -> None:  # noqa: B027
        """Until the storage has every part below `parts`; raises what one of them met."""

    def close(self) -> None:  # noqa: B027
        """End the threads; parts that were not begun are not sent."""

    def written(self, parts: int) -> int:
        """How many of `parts` parts, from the first on, the storage has taken. Known once the writer is closed."""
        return parts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InlineWriter(Writer):
    """Writes in the caller's thread and, if asked, reads each part back and compares."""

    def __init__(self, session: UploadSession, *, compares: bool) -> None:
        self._session = session
        self._compares = compares
        self._room = memoryview(bytearray(session.token.part_bytes if compares else 0))

    def write(self, pipeline: Pipeline, number: int, buffer: bytearray, length: int) -> None:
        pipeline.feed(buffer, length)
        with at_sink:
            self._session.write_part(number, memoryview(buffer)[:length])
            if self._compares:
                _read_back(self._session, number, buffer, length, self._room)


class ThreadedWriter(Writer):
    """Sends several parts at once and, if asked, reads each back and compares; the source is read meanwhile."""

    def __init__(self, session: UploadSession, *, in_flight: int, compares: bool) -> None:
        self._session = session
        self._compares = compares
        count = max(1, min(in_flight, session.token.part_count, IN_FLIGHT_BYTES // session.token.part_bytes))
        self.buffers = count + 2
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="syncf-sender")
        self._under_way: dict[int, Future[None]] = {}
        self._rooms: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(count if compares else 0):
            self._rooms.put(memoryview(bytearray(session.token.part_bytes)))

    def write(self, pipeline: Pipeline, number: int, buffer: bytearray, length: int) -> None:
        pipeline.feed(buffer, length, is_shared=True)
        for done in [each for each, future in self._under_way.items() if future.done()]:
            self._under_way[done].result()
            del self._under_way[done]
        self._under_way[number] = self._threads.submit(self._send, pipeline, number, buffer, length)

    def wait(self, parts: int) -> None:
        for number, future in self._under_way.copy().items():
            if number < parts:
                future.result()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def written(self, parts: int) -> int:
        return min((number for number, each in self._under_way.items() if not _went_well(each)), default=parts)

    def _send(self, pipeline: Pipeline, number: int, buffer: bytearray, length: int) -> None:
        try:
            with at_sink:
                self._session.write_part(number, memoryview(buffer)[:length])
                if self._compares:
                    self._compare(number, buffer, length)
        finally:
            pipeline.release(buffer)

    def _compare(self, number: int, buffer: bytearray, length: int) -> None:
        room = self._rooms.get()
        try:
            _read_back(self._session, number, buffer, length, room)
        finally:
            self._rooms.put(room)


def _read_back(session: UploadSession, number: int, buffer: bytearray, length: int, room: memoryview) -> None:
    """Into `room`. Raises ChecksumMismatch where it is not what was written."""
    count = session.read_part(number, room[:length])
    if not same_bytes(buffer, length, room[:count]):
        raise ChecksumMismatch(f"bytes from {number * session.token.part_bytes:,} on were read back wrong")


def _went_well(future: Future[None]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
