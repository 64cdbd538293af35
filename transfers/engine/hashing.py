"""A thread that hashes what another one reads, over a small ring of buffers.

The ring is small on purpose: buffers that stay in the CPU's cache are faster than big ones, and memory stays bounded.
What the thread raises is raised again in the caller at its next step, and nobody ever waits for one that has failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from _hashlib import HASH

RING_BYTES = 4 << 20
MIN_BUFFERS = 2
MAX_BUFFERS = 8


class Stage:
    """A thread that runs the steps it is given, in order, and remembers the first error."""

    def __init__(self, name: str) -> None:
        self.error: BaseException | None = None
        self._steps: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, step: Callable[[], None]) -> None:
        """Run `step` after all earlier ones."""
        self._steps.put(step)

    def check(self) -> None:
        """Raise what the thread raised."""
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Until everything submitted has run; raises what it raised."""
        done = threading.Event()
        self.submit(done.set)
        done.wait()
        self.check()

    def close(self) -> None:
        """Run what is queued and end the thread."""
        self._steps.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (step := self._steps.get()) is not None:
            try:
                step()
            except BaseException as error:
                self.error = self.error or error


class Hasher:
    """The ring and its thread. A context manager; used by one thread."""

    def __init__(self, digest: HASH, buffer_bytes: int, *, buffers: int | None = None) -> None:
        """`digest` is updated in place."""
        self._digest, self._buffer_bytes = digest, buffer_bytes
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        self._unmade = buffers or max(MIN_BUFFERS, min(MAX_BUFFERS, RING_BYTES // buffer_bytes))
        """Buffers that were not needed yet: to make one takes as long as to fill it."""
        self._shared: set[int] = set()
        """Buffers (by id) that two threads still use."""
        self._sharing = threading.Lock()
        self._hasher = Stage("syncf-hasher")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hash what was fed and end the thread."""
        self._hasher.close()

    def take(self) -> bytearray:
        """A free buffer; waits for the hasher. Raises what another thread raised."""
        buffer = self._make() if self._unmade and self._free.empty() else self._free.get()
        self.check()
        return buffer

    def _make(self) -> bytearray:
        self._unmade -= 1
        return bytearray(self._buffer_bytes)

    def check(self) -> None:
        """Raise what another thread raised."""
        self._hasher.check()

    def feed(self, buffer: bytearray, length: int, *, is_shared: bool = False) -> None:
        """Hash the first `length` bytes of a taken buffer; the caller may still read it until its next `take`.
        `is_shared`: another thread reads it too, and gives it back with `release`."""

        def step() -> None:
            try:
                self._digest.update(memoryview(buffer)[:length])
            finally:
                self.release(buffer)

        if is_shared:
            self._shared.add(id(buffer))
        self._hasher.submit(step)

    def release(self, buffer: bytearray) -> None:
        """Give a buffer back to the ring; of a shared one, the second time counts."""
        with self._sharing:
            if id(buffer) in self._shared:
                self._shared.remove(id(buffer))
                return
        self._free.put(buffer)

    def finish(self) -> None:
        """Until everything fed is hashed; raises what another thread raised."""
        self._hasher.wait()
