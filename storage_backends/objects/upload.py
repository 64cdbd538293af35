"""One upload, as every object store has it.

A part is durable as soon as the service has taken it, can't be read before the commit, and lies in no cache of ours.
What a service adds: how a part is sent, how the object is made of them, and how both are given up.
"""

from __future__ import annotations

from abc import abstractmethod

from storage_backends.base import FileInfo, UploadSession, UploadToken
from storage_backends.errors import ChecksumMismatch, UploadGone
from storage_backends.names import display_path
from storage_backends.objects.client import Stored
from storage_backends.objects.storage import ObjectStorage


class ObjectUpload(UploadSession):
    """A service finds out `held_parts` when it opens one."""

    def __init__(self, storage: ObjectStorage, token: UploadToken) -> None:
        self.token = token
        self._storage, self._name = storage, f"'{display_path(token.path)}'"
        self._sha256 = b""
        """Of the whole file; known from `prepare` on."""
        self._sent: set[int] = set()
        """Parts that this very process read and the service took. What others read may have been something else."""

    # ── for the services ──────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def send_part(self, number: int, data: memoryview) -> None:
        """`write_part` of a part that has the right length; it is among `held_parts` when this returns."""

    @abstractmethod
    def make_object(self) -> Stored:
        """Of all parts, which are held. An answer that was lost is told from a conflict by `ObjectStorage.committed`.
        Raises PreconditionFailed unless what stood there when the upload began still does."""

    # ── the interface ─────────────────────────────────────────────────────────────────────────────────────────

    def write_part(self, number: int, data: memoryview) -> None:
        length = self.token.part_length(number)
        if len(data) != length:
            raise ValueError(f"part {number} has {length} bytes, not {len(data)}")
        self.send_part(number, data)
        self._sent.add(number)

    def read_part(self, number: int, buffer: memoryview) -> int:
        raise NotImplementedError("parts can't be read back before the commit")

    def sync(self) -> None:
        return None

    def drop_cache(self) -> None:
        return None

    def prepare(self, sha256: bytes) -> UploadToken:
        self._sha256 = sha256
        return self.token

    def commit(self) -> FileInfo:
        missing = set(range(self.token.part_count)).difference(self.held_parts)
        if missing:
            raise UploadGone(f"{self._name} lacks part {min(missing)}; the upload begins again")
        made = self.make_object()
        if made.size != self.token.size:
            raise ChecksumMismatch(f"{self._name}: the storage made {made.size:,} bytes of {self.token.size:,}")
        self.is_verified_by_server = self.is_verified_by_server and len(self._sent) == self.token.part_count
        return self._storage.describe(self.token.path, made)

    def close(self) -> None:
        return None
