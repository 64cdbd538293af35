"""What a storage opens: a file to read, an upload to go on with, a batch of small files to write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Self

from storage_backends.errors import StorageError
from storage_backends.tokens import PartialId, UploadToken
from storage_backends.values import Attributes, FileInfo

PIECE_BYTES = 1 << 20


class OpenFile(ABC):
    """A source file opened for reading, pinned to the version it had when it was opened. A context manager."""

    info: FileInfo

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; returns bytes read, less than asked only at the end of the file.

        Raises VersionChanged where the storage itself notices."""

    def pieces(self) -> Iterator[memoryview]:
        """All of it, in order; each is good until the next one is asked for."""
        buffer, offset = memoryview(bytearray(PIECE_BYTES)), 0
        while offset < self.info.size and (count := self.read_into(offset, buffer)):
            yield buffer[:count]
            offset += count

    @abstractmethod
    def is_unchanged(self) -> bool:
        """Whether the name still stands for exactly the version that was opened (asked after the last byte)."""

    @abstractmethod
    def close(self) -> None:
        """Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class UploadSession(ABC):
    """One upload under way. Used by one thread, except `sync`, which may run beside `write_part`, and `write_part` and
    `read_part`, which where `parts_in_flight` is not 0 run in so many threads at once, for different parts."""

    token: UploadToken
    """As it is now; may differ from the one that was resumed (new epoch), so it is saved again before writing."""
    held_parts: Collection[int]
    """Whole parts the *storage* holds. Local: what the partial's length covers, to be proved by digest."""
    is_verified_by_server: bool = True
    """After `commit`, where the storage `verifies_digest`: False if it could not this time, since another process sent
    some of it, or did not say what it made of the parts. Then it is read back whatever the job wants."""

    @abstractmethod
    def write_part(self, number: int, data: memoryview) -> None:
        """Write one whole part; `data` is not touched after it returned. Idempotent: the same number again overwrites.
        Where the order of parts matters they come in order."""

    @abstractmethod
    def read_part(self, number: int, buffer: memoryview) -> int:
        """Read a part back before the commit. Only where `reads_back_before_commit`."""

    @abstractmethod
    def sync(self) -> None:
        """Everything written before this call is durable when it returns. An error is final: abandon the partial."""

    @abstractmethod
    def keep(self, parts: int) -> None:
        """Throw away everything from part `parts` on (what could not be proved). Raises UploadGone if it can't."""

    @abstractmethod
    def drop_cache(self) -> None:
        """Make the next `read_part` come from the device (verify=disk). A no-op where there is no cache of ours."""

    @abstractmethod
    def prepare(self, sha256: bytes) -> UploadToken:
        """Attributes applied, all bytes durable: only the name is missing. The returned token is saved (the publish
        intent) and makes `resume_upload` recognise the commit after a crash."""

    @abstractmethod
    def commit(self) -> FileInfo:
        """Give it its real name, durably. Nothing is visible before. Returns the identity of what was written; raises
        PreconditionFailed when somebody changed it, or moved its directory away, in that very moment."""

    @abstractmethod
    def abort(self) -> None:
        """Remove the partial, and never that of another attempt. Idempotent; missing is success."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it without removing anything (pause, shutdown). Idempotent."""


class WriteBatch(ABC):
    """Files of one part and symbolic links, written together with one group commit. One thread.

    Every file is read back and compared (ChecksumMismatch): before it is visible where the storage can, right after it
    got its name elsewhere. An error in `stage*` concerns that file only: the batch goes on without it."""

    @abstractmethod
    def stage(
        self,
        path: bytes,
        data: bytes | memoryview,
        attributes: Attributes,
        partial: PartialId,
        *,
        expected: str | None = None,
    ) -> None:
        """Write a file's bytes where nobody sees them. What older epochs of this task left is removed first, as by
        `discard_partials`: none of them can be published any more. `expected` is the version that may be replaced,
        empty for none; it saves a look-up where the storage `commits_if_version`. None: whatever stands there now."""

    @abstractmethod
    def stage_symlink(self, path: bytes, target: bytes, attributes: Attributes, partial: PartialId) -> None:
        """The same for a link. Only where `has_symlinks`."""

    @abstractmethod
    def flush(self) -> None:
        """All that is staged is durable when this returns. On an error nothing of the batch may be published."""

    @abstractmethod
    def publish(self, wanted: Collection[bytes]) -> dict[bytes, FileInfo | StorageError]:
        """Give the staged paths in `wanted` their names, durably; the others are discarded. Per path: the
        identity of what was staged (an edit afterwards has another), or why it does not stand there:
        PreconditionFailed when somebody changed it, or moved its directory away, in that very moment."""

    @abstractmethod
    def discard(self) -> None:
        """Remove whatever is staged and not published. Idempotent."""
