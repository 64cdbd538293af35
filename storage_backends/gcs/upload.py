"""One upload to Google Cloud Storage.

A file of more than one part goes through a resumable upload of the service, strictly in order::

    begin_upload     POST …?uploadType=resumable      → the session's URI, in the token
    resume_upload    PUT  bytes */SIZE                → 308 and how much is held; finished or gone: is it our object?
    write_part       PUT  bytes 0-8388607/SIZE        → 308 and how much is held, perhaps less: the rest is sent again
      last part      kept in memory
    commit           PUT  bytes …-LAST/SIZE           → 200 and the object: its last byte is what finishes it

So after a crash the last part is not held. What is held can be neither overwritten nor cut off, only given up. A file
of at most one part never has a session: `commit` writes it with one request.

**Digests.** The CRC32C of the whole object goes with the last part, and the service's own is compared in its answer. A
process that goes on with the upload of another one does not know the digest of what that one sent: it says so
(`is_verified_by_server`), and the object is read back.

**A commit whose answer was lost** is recognised by the token's nonce in the object's metadata. The SHA-256 is in the
metadata of files of one part only: that of larger ones is not known when their upload begins.
"""

from __future__ import annotations

from storage_backends.base import UploadToken
from storage_backends.errors import ChecksumMismatch, PreconditionFailed, StorageError, UploadGone
from storage_backends.gcs.describing import stored_from
from storage_backends.gcs.progress import Chunk, Progress, encoded, extended
from storage_backends.gcs.storage import GcsStorage
from storage_backends.objects import metadata
from storage_backends.objects.client import Stored
from storage_backends.objects.upload import ObjectUpload


class GcsUpload(ObjectUpload):
    """One upload. Of one that is not new `is_open` is asked first, where there is a session."""

    held_parts: set[int]

    def __init__(self, storage: GcsStorage, token: UploadToken) -> None:
        super().__init__(storage, token)
        self._client, self._uri, self.held_parts = storage.client, token.state.get("uri", ""), set()
        self._progress: Progress | None = Progress(0)
        """What the service said last; None: not known, after an answer that did not come."""
        self._last = b""
        self._crc32c: int | None = 0
        """Of all that the service holds; None: another process sent some of it."""
        self._crcs: dict[int, tuple[int, int]] = {}
        """Of what was sent here: before each part, and with it."""

    def is_open(self) -> bool:
        """Whether the service knows the session and it is not finished."""
        try:
            progress = self._client.sessions.ask(self._uri, self.token.size, self._name)
        except UploadGone:
            return False
        self._progress = progress
        self.held_parts.update(range(min(progress.held_bytes // self.token.part_bytes, self._last_number)))
        self._crc32c = None if progress.held_bytes else 0
        return progress.finished is None

    def send_part(self, number: int, data: memoryview) -> None:
        if number == self._last_number:
            self._last = bytes(data)
        elif number not in self.held_parts:
            self._send(number, data)
            self._remember(number, data)
        elif not self._was_sent(number, data):
            raise UploadGone(f"{self._name}: a part that is held can't be overwritten; the upload begins again")
        self.held_parts.add(number)

    def keep(self, parts: int) -> None:
        if parts <= self._last_number:
            self.held_parts.discard(self._last_number)
            self._last = b""
        if any(number >= parts for number in self.held_parts):
            self.abort()
            raise UploadGone(f"{self._name}: what is held and not proved can't be cut off; the upload begins again")

    def make_object(self) -> Stored:
        try:
            return self._finish() if self._uri else self._put()
        except (PreconditionFailed, UploadGone):  # or the answer was lost, and this is the one to our repetition
            committed = self._storage.committed(self.token)
            if committed is None:
                raise
            self.is_verified_by_server = False
            return committed

    def abort(self) -> None:
        self.held_parts.clear()
        self.close()
        if self._uri:
            self._client.sessions.cancel(self._uri, self._name)

    def close(self) -> None:
        self._last = b""

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _last_number(self) -> int:
        return self.token.part_count - 1

    def _send(self, number: int, data: memoryview, crc32c: int | None = None) -> Progress:
        """Until the service holds all of that part."""
        chunk = Chunk(number * self.token.part_bytes, data, self.token.size, crc32c)
        progress = self._sent_the_shorter_way(chunk)
        if progress is None or progress.held_bytes < chunk.end:
            self._progress = None
            progress = self._client.sessions.send(self._uri, chunk, progress, self._name)
        self._progress = progress
        return progress

    def _sent_the_shorter_way(self, chunk: Chunk) -> Progress | None:
        """What the service holds then; None: that is not known."""
        progress, self._progress = self._progress, None
        while progress and chunk.first <= progress.held_bytes < chunk.end:
            held = progress.held_bytes
            progress = self._client.resumable.send(self._uri, chunk.rest(held))
            if progress and progress.held_bytes <= held:
                break
        return progress

    def _remember(self, number: int, data: memoryview) -> None:
        before = self._crc32c or 0
        self._crcs[number] = before, extended(before, data)
        if self._crc32c is not None:
            self._crc32c = self._crcs[number][1]

    def _was_sent(self, number: int, data: memoryview) -> bool:
        """By us, and of these bytes."""
        before, after = self._crcs.get(number, (0, None))
        return after is not None and extended(before, data) == after

    def _finish(self) -> Stored:
        """Send the last part."""
        crc32c = None if self._crc32c is None else extended(self._crc32c, self._last)
        progress = self._send(self._last_number, memoryview(self._last), crc32c)
        if progress.finished is None:
            raise StorageError(f"{self._name}: the storage holds all of it and does not finish it")
        self.is_verified_by_server = crc32c is not None
        if crc32c is not None and progress.finished.get("crc32c") != encoded(crc32c):
            raise ChecksumMismatch(f"{self._name}: the storage has another CRC32C than was sent")
        try:
            return stored_from(progress.finished)
        except ValueError as error:
            raise StorageError(f"{self._name}: what answers is not understood ({error}); is it the service?") from error

    def _put(self) -> Stored:
        """A file of one part at most."""
        kept = metadata.encode(self.token.attributes, sha256=self._sha256, upload=self.token.nonce)
        return self._client.put(self._storage.key(self.token.path), self._last, kept, self.token.state["expected"])
