"""The storage interface: what the engine and the scan may ask of any place that holds files.

Paths are **bytes**, relative to the root of the storage object (the operator's root plus the job's path),
without leading slash; a directory's path ends in ``b"/"`` so that ``a-`` < ``a/x`` < ``a0`` holds in
plain byte order. The root itself is ``b""``. Every method raises only `StorageError` and its children.

Two ways to write, and both publish atomically (a name is absent, old and whole, or new and whole):

* `write_batch()` for files of one part, symbolic links included: stage many, `flush()` once (everything that can be
  prepared is, durably, and nothing is visible), ask the fence, `publish()`.
* `begin_upload()` → token, *saved by the caller before the first byte leaves* → `resume_upload(token)` → session:
  `write_part`… `sync` … `prepare` … `commit`. First run and resume are the same code path, so a resume is no
  special case; after a crash only what the storage itself reports (`held_parts`) counts.

Differences between storages are data (`Capabilities`), never `isinstance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from storage_backends.errors import BadPath, NotFound, StorageError, UploadGone
from storage_backends.sessions import OpenFile, UploadSession, WriteBatch
from storage_backends.tokens import PARTIAL_PREFIX, PARTIAL_SUFFIX, AlreadyCommitted, PartialId, UploadToken
from storage_backends.values import Attributes, Capabilities, Entry, FileInfo, Kind, ListError, RootIdentity

__all__ = (
    "LISTED_AT_ONCE",
    "PARTIAL_PREFIX",
    "PARTIAL_SUFFIX",
    "AlreadyCommitted",
    "Attributes",
    "Capabilities",
    "Entry",
    "FileInfo",
    "Kind",
    "ListError",
    "OpenFile",
    "PartialId",
    "RootIdentity",
    "Storage",
    "UploadSession",
    "UploadToken",
    "WriteBatch",
    "check_path",
)

#: Entries a listing hands over together, where it has no better measure.
LISTED_AT_ONCE = 500


class Storage(ABC):
    """A place that holds files, rooted at one directory or prefix. One instance per thread."""

    capabilities: Capabilities

    @abstractmethod
    def get_storage_type(self) -> str:
        """`local`, `memory`, `s3`, …"""

    @abstractmethod
    def probe(self) -> None:
        """Raise if the root can't be reached or read."""

    @abstractmethod
    def root_identity(self) -> RootIdentity:
        """Where this root lies. Works for a root that does not exist yet (its nearest existing parent counts). One that
        exists is looked into: this raises what `probe` would."""

    def presumed_identity(self) -> RootIdentity:
        """The same, for a root that somebody has just looked at; `is_empty` may be wrong. The service is asked only
        where nothing else can tell."""
        return self.root_identity()

    def free_bytes(self) -> int | None:
        """How many bytes this process could still write; None where nobody can tell."""
        return None

    def location(self) -> tuple[str, ...]:
        """`root_identity().chain`; the service is asked only where nothing else can tell."""
        return self.root_identity().chain

    @abstractmethod
    def list_files(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[Entry]:
        """Everything below the root (not the root itself), lazily, in ascending byte order of path.

        Memory: the largest directory, not the tree. `prune(directory path)` true: neither it nor anything below is
        listed. `stop_at`: root identities (`chain[0]` of the other side) that are not entered but reported as
        ListError(Overlap). Own and foreign partials (`PartialId.is_reserved`) are listed as Kind.SPECIAL."""

    def list_chunks(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[list[Entry]]:
        """The same as `list_files`, many entries at a time: lists of at least one entry."""
        entries = iter(self.list_files(prune=prune, stop_at=stop_at))
        while chunk := list(islice(entries, LISTED_AT_ONCE)):
            yield chunk

    @abstractmethod
    def get_file_info(self, path: bytes) -> FileInfo:
        """One name, or the root itself (b"", a directory where the storage has those); raises NotFound."""

    def file_exists(self, path: bytes) -> bool:
        """Whether the name is there, whatever it is."""
        try:
            self.get_file_info(path)
        except StorageError as error:
            if error.not_found:
                return False
            raise
        return True

    @abstractmethod
    def open_file(self, path: bytes) -> OpenFile:
        """Open a regular file (never a link, FIFO or device: NotRegular)."""

    @abstractmethod
    def read_whole(self, path: bytes, max_bytes: int) -> tuple[FileInfo, bytes]:
        """A small file in as few calls as possible, with the identity those bytes belong to.

        Raises VersionChanged when it changed meanwhile or is larger than `max_bytes`."""

    def prefetch(self, paths: Sequence[bytes], max_bytes: int) -> None:  # noqa: B027
        """A hint: these will be asked for by `read_whole`, in this order, soon. Storages that are far away begin."""

    def read_file(self, path: bytes, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes [offset, offset+length) in chunks of up to 1 MiB."""
        with self.open_file(path) as source:
            end = source.info.size if length is None else min(source.info.size, offset + length)
            while offset < end:
                chunk = memoryview(bytearray(min(1 << 20, end - offset)))
                count = source.read_into(offset, chunk)
                if count == 0:
                    return
                yield bytes(chunk[:count])
                offset += count

    @abstractmethod
    def read_link(self, path: bytes) -> bytes:
        """The target of a symbolic link, byte for byte. Only where `has_symlinks`."""

    @abstractmethod
    def begin_upload(
        self, path: bytes, *, size: int, attributes: Attributes, source_version: str, partial: PartialId
    ) -> UploadToken:
        """Plan an upload (part size, nonce) and, at object stores, create it. Writes no byte of the file."""

    @abstractmethod
    def resume_upload(self, token: UploadToken, partial: PartialId) -> UploadSession:
        """Open the upload of `token` for the epoch of `partial`, alone (PartialBusy if another process holds it).

        Raises UploadGone (begin again; also where the directory of a resumed one is missing: it is not made again) or
        AlreadyCommitted. Local: an older epoch's partial is first renamed to the
        new epoch's name, so that a zombie's rename finds nothing."""

    @abstractmethod
    def write_batch(self, *, trusts_server: bool = False) -> WriteBatch:
        """A new batch of small files. `trusts_server`: where the server `verifies_digest`, nothing is read back."""

    def write_file(self, path: bytes, data: bytes, attributes: Attributes, partial: PartialId) -> FileInfo:
        """One file of one part, durable and published when this returns."""
        batch = self.write_batch()
        try:
            batch.stage(path, data, attributes, partial)
            batch.flush()
            result = batch.publish({path})[path]
        finally:
            batch.discard()
        if isinstance(result, StorageError):
            raise result
        return result

    @abstractmethod
    def write_directories(self, directories: Sequence[tuple[bytes, Attributes]]) -> list[FileInfo | StorageError]:
        """Make these directories in this order where they are missing (parents too) and give them their attributes,
        durably; b"" is the root. What went wrong with one of them stands in its place."""

    def write_directory(self, path: bytes, attributes: Attributes) -> FileInfo:
        """The same for one; raises what went wrong."""
        [answer] = self.write_directories([(path, attributes)])
        if isinstance(answer, StorageError):
            raise answer
        return answer

    @abstractmethod
    def set_attributes(self, path: bytes, attributes: Attributes, expected: FileInfo) -> FileInfo:
        """Mode, times and owner of an existing file or link (adopted content with other metadata).

        Raises VersionChanged when what stands at `path` is not (any more) the `expected` one, PreconditionFailed when
        other names (hard links) would get these attributes as well: nothing was touched then."""

    def sync_file(self, path: bytes) -> None:  # noqa: B027
        """What stands at `path`, its attributes and its directory entry are durable when this returns: asked before a
        file is counted as completed that an earlier attempt may have published without living to see it durable.
        Nothing to do where whatever is visible is durable."""

    @abstractmethod
    def discard_partials(self, path: bytes, partial: PartialId) -> int:
        """Remove what older epochs of this task left beside `path`; returns how many. Never a younger one's. Nothing
        is found without `finds_partials`."""

    def discard_upload(self, token: UploadToken, partial: PartialId) -> None:
        """Remove the unfinished upload of `token`; one that is gone, or was committed, is none. Raises PartialBusy."""
        try:
            session = self.resume_upload(token, partial)
        except (UploadGone, AlreadyCommitted, NotFound):
            return
        try:
            session.abort()
        finally:
            session.close()

    @abstractmethod
    def delete_file(self, path: bytes) -> None:
        """Remove one file or link; missing is success."""

    @abstractmethod
    def list_uploads(self) -> Iterator[FileInfo]:
        """Partials or unfinished uploads below the root, for the janitor. Only where `lists_uploads`."""

    @abstractmethod
    def close(self) -> None:
        """Idempotent."""


def check_path(path: bytes) -> Sequence[bytes]:
    """The components of a canonical relative path (directory paths without their last slash); raises BadPath."""
    parts = path.removesuffix(b"/").split(b"/")
    if not path or b"\0" in path or any(part in (b"", b".", b"..") for part in parts):
        raise BadPath(f"not a canonical relative path: {path!r}")
    return parts
