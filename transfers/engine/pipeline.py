"""Three threads for one big file, so that reading, hashing and syncing overlap.

::

    caller      read ─ write ─ read back ─ compare      (takes a buffer from the ring)
    hasher                 SHA-256, in order            (gives the buffer back)
    saver                              sync ─ journal   (one checkpoint at a time)

A checkpoint's digest is taken by the hasher when it reaches that offset, at which time the caller has long written
these bytes; the saver then syncs and only after that tells the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from transfers.engine.hashing import Hasher, Stage

if TYPE_CHECKING:
    from _hashlib import HASH


class Pipeline(Hasher):
    """A hasher with a saver behind it."""

    def __init__(
        self, digest: HASH, buffer_bytes: int, save: Callable[[int, bytes], None], *, buffers: int | None = None
    ) -> None:
        """`save(offset, sha256 of [0, offset))` runs in the saver's thread."""
        super().__init__(digest, buffer_bytes, buffers=buffers)
        self._save = save
        self._is_saving = False
        self._is_closing = False
        self._saver = Stage("syncf-saver")

    def close(self) -> None:
        """End the threads; a checkpoint that has not begun is not made any more."""
        self._is_closing = True
        super().close()
        self._saver.close()

    @property
    def is_saving(self) -> bool:
        """Whether a checkpoint is under way; there is never more than one."""
        return self._is_saving

    def check(self) -> None:
        super().check()
        self._saver.check()

    def checkpoint(self, offset: int) -> None:
        """Make [0, offset), all of it written and fed by now, durable and tell the journal. Returns at once."""
        self._is_saving = True

        def take_digest() -> None:
            sha256 = self._digest.digest()
            self._saver.submit(lambda: self._save_one(offset, sha256))

        self._hasher.submit(take_digest)

    def finish(self) -> None:
        """Until everything fed is hashed and every checkpoint is saved; raises what another thread raised."""
        super().finish()
        self._saver.wait()

    def _save_one(self, offset: int, sha256: bytes) -> None:
        if self._is_closing:
            return
        self._save(offset, sha256)
        self._is_saving = False


def same_bytes(buffer: bytearray, length: int, other: memoryview) -> bool:
    """Whether the first `length` bytes of `buffer` are `other`'s (a memcmp: memoryviews compare item by item)."""
    return (buffer if length == len(buffer) else buffer[:length]) == other
