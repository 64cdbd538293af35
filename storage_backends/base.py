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

import base64
import enum
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType, TracebackType
from typing import Literal, NamedTuple, Self

from storage_backends.errors import BadPath, NotFound, StorageError, UploadGone


class Kind(enum.StrEnum):
    """What stands behind a name."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"
    """FIFO, socket, device: listed, so that it can be counted as skipped, never opened."""


class FileInfo(NamedTuple):
    """One name as a listing or a look-up shows it."""

    path: bytes
    kind: Kind
    size: int
    """Bytes of a file, length of a link's target, 0 for a directory."""
    mtime_ns: int | None
    """As every listing shows it: a part of the file's identity. None where listings know no such time (objects)."""
    version: str
    """Opaque, compared for equality only. File and link: changes whenever content or metadata may have changed
    (local: inode and ctime_ns; objects: etag or generation). Directory: its mode, uid and gid."""
    mode: int | None = None
    """The lower 12 permission bits, or None where the storage has none."""
    uid: int | None = None
    gid: int | None = None
    sha256: bytes | None = None
    """Known only where the storage keeps it with the object."""
    kept_mtime_ns: int | None = None
    """Of the original, kept with an object: shown by look-ups, not by every listing, and no part of the identity."""


class ListError(NamedTuple):
    """A directory that could not be listed: everything below it is *unknown*, not gone."""

    path: bytes
    error: StorageError


class RootIdentity(NamedTuple):
    """Where a root really lies, to find overlaps whatever the spelling (links, bind mounts)."""

    chain: tuple[str, ...]
    """The root first, then each parent up to the top. Two roots overlap when one's first is in the other's chain."""
    device: str
    """Changes when another file system (an unmounted disk's empty mount point) stands under the same name."""
    is_empty: bool
    exists: bool

    def overlaps(self, other: RootIdentity) -> bool:
        """True when the two are the same place or one contains the other."""
        return self.chain[0] in other.chain or other.chain[0] in self.chain


class Capabilities(NamedTuple):
    """Facts about a storage, written as answers to questions. The engine plans with them."""

    min_part_bytes: int = 1
    part_multiple_bytes: int = 1
    max_part_bytes: int = 1 << 62
    max_parts: int = 1 << 62
    preferred_part_bytes: int = 8 << 20
    batch_file_bytes: int = 1 << 20
    """Files up to this size go through `write_batch` (whole in memory), larger ones through an upload."""
    batch_files: int = 2000
    """Files of one group commit. On a disk a larger group saves nothing (two syncfs cost 26 us per file at 500, 24 at
    1,000, 22 at 2,000); far away a small one lets pause and kill get through."""
    may_write_parts_in_any_order: bool = False
    parts_in_flight: int = 0
    """Parts that are sent at once, in threads; memory is (this + 2) parts. 0: written one by one by the caller."""
    reads_back_before_commit: bool = False
    """True: `UploadSession.read_part` works. False: read back with `open_file` after `commit`."""
    commits_with_last_part: bool = False
    """The last part is sent by the commit: after a crash before it, it is not held, whatever `sync` said."""
    overwrites_parts: bool = True
    """False: what is held of an upload can be neither overwritten nor cut off. Other bytes for a part that is held, and
    `keep` of fewer than are held (the last one aside, where the commit sends it), raise UploadGone."""
    commits_if_absent: bool = False
    commits_if_version: bool = False
    has_directories: bool = False
    """Directories exist by themselves and carry mode and mtime."""
    has_symlinks: bool = False
    has_modes: bool = False
    names_are_bytes: bool = True
    """False: names are text, and one that is not UTF-8 is refused with BadPath."""
    mtime_resolution_ns: int | None = None
    """None: a time is kept only as metadata beside the object."""
    version_tells_writes: bool = True
    """False: the version is of the content alone (an etag), so the same bytes written again have the same one."""
    version_tells_content: bool = True
    """False: a file replaced by one of the same size, second, mode and owner has the same version (SFTP)."""
    sets_attributes: bool = True
    """False: what stands there keeps its metadata until it is written anew (S3)."""
    verifies_digest: Literal["sha256", "md5", "crc32c"] | None = None
    """The digest that the *server* checks for every part it receives, or for the whole object (then see
    `UploadSession.is_verified_by_server`)."""
    finds_partials: bool = True
    """`discard_partials` finds what older epochs left. False: only their token leads to it (`discard_upload`)."""
    tells_gone_uploads: bool = True
    """False: an upload that was aborted or has expired looks like one of which nothing has arrived yet (Azure)."""
    lists_uploads: bool = False
    upload_ttl_days: int | None = None
    max_path_bytes: int = 1 << 30
    max_name_bytes: int = 1 << 30
    is_listed_by_processor: bool = False
    """A listing is work for a processor of this machine, more than waiting for somebody else: that of a large tree is
    made by a process of its own. Asks for a storage that can be opened by its URL in any process."""
    is_per_machine: bool = False
    """The same URL names another place on another machine (file:// without ?shared=1)."""

    def part_bytes(self, size: int) -> int:
        """The part size for a file of `size` bytes that respects every limit; raises ValueError if none does."""
        part = max(self.preferred_part_bytes, self.min_part_bytes, -(-size // self.max_parts))
        part = -(-part // self.part_multiple_bytes) * self.part_multiple_bytes
        if part > self.max_part_bytes:
            raise ValueError(f"{size} bytes do not fit into {self.max_parts} parts of {self.max_part_bytes} bytes")
        return part


class Attributes(NamedTuple):
    """Metadata to give to what is written. None means: leave the storage's default."""

    mtime_ns: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, info: FileInfo) -> Self:
        """What `info` carries."""
        mtime_ns = info.mtime_ns if info.kept_mtime_ns is None else info.kept_mtime_ns
        return cls(mtime_ns, info.mode, info.uid, info.gid)


#: Entries a listing hands over together, where it has no better measure.
LISTED_AT_ONCE = 500

PARTIAL_PREFIX, PARTIAL_SUFFIX = b".syncf-", b".part"


class PartialId(NamedTuple):
    """Names the partial of one task at one epoch. Unique per (installation, job, path, epoch)."""

    installation: str
    """8 hex digits."""
    digest: str
    """20 hex digits of SHA-256(job id + path)."""
    epoch: int

    @classmethod
    def of(cls, installation: str, job_id: str, path: bytes, epoch: int) -> PartialId:
        """The partial of the task of this path of this job."""
        digest = hashlib.sha256(b"%s\0%s" % (job_id.encode(), path)).hexdigest()[:20]
        return cls(installation, digest, epoch)

    @property
    def stem(self) -> bytes:
        """The name without its epoch, the same for every epoch of the task."""
        return b"%s%s-%s-" % (PARTIAL_PREFIX, self.installation.encode(), self.digest.encode())

    @property
    def name(self) -> bytes:
        """At most 64 bytes, so it fits wherever the file's own directory takes a name."""
        return b"%s%s-%s-%d%s" % (
            PARTIAL_PREFIX, self.installation.encode(), self.digest.encode(), self.epoch, PARTIAL_SUFFIX
        )  # fmt: skip

    @staticmethod
    def is_reserved(name: bytes) -> bool:
        """True for names that look like a partial of any installation; at a source they are skipped and counted."""
        return name.startswith(PARTIAL_PREFIX) and name.endswith(PARTIAL_SUFFIX)


class UploadToken(NamedTuple):
    """All that another process needs to go on with an upload. Saved before the first byte leaves.

    `state` is the adapter's own (upload id, session URI, inode). Where it is a bearer secret (`is_secret`), it is not
    shown, and whoever keeps the token encrypts it.
    """

    storage_type: str
    path: bytes
    size: int
    part_bytes: int
    """Frozen at begin: resume never changes it."""
    source_version: str
    nonce: str
    """Drawn at begin, kept with the object where the storage can: answers "did *my* commit happen?"."""
    attributes: Attributes
    state: Mapping[str, str] = MappingProxyType({})
    schema: int = 1
    is_secret: bool = False

    def __repr__(self) -> str:
        state = "…" if self.is_secret else dict(self.state)
        return f"UploadToken({self.storage_type}, {self.path!r}, {self.size} bytes, {state})"

    @property
    def part_count(self) -> int:
        """Parts of the whole file; 0 for an empty one."""
        return -(-self.size // self.part_bytes)

    def part_length(self, number: int) -> int:
        """Bytes of part `number` (from 0)."""
        return min(self.part_bytes, self.size - number * self.part_bytes)

    def to_json(self) -> str:
        """One line of JSON; the path travels as base64."""
        path, attributes, state = base64.b64encode(self.path).decode(), self.attributes._asdict(), dict(self.state)
        return json.dumps({**self._asdict(), "path": path, "attributes": attributes, "state": state})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; raises ValueError for another schema."""
        data = json.loads(text)
        if data.get("schema") != 1:
            raise ValueError(f"upload token of schema {data.get('schema')!r} is not known to this version")
        return cls(**{**data, "path": base64.b64decode(data["path"]), "attributes": Attributes(**data["attributes"])})


class AlreadyCommitted(Exception):
    """The upload of this token was committed before the crash, nothing needs to be sent. Carries what stands there."""

    def __init__(self, info: FileInfo) -> None:
        super().__init__("the upload was already committed")
        self.info = info


class OpenFile(ABC):
    """A source file opened for reading, pinned to the version it had when it was opened. A context manager."""

    info: FileInfo

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; returns bytes read, less than asked only at the end of the file.

        Raises VersionChanged where the storage itself notices."""

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
    """One upload under way. Used by one thread, except `sync`, which may run beside `write_part`, and `write_part`
    itself, which where `parts_in_flight` is not 0 runs in so many threads at once, for different parts."""

    token: UploadToken
    """As it is now; may differ from the one that was resumed (new epoch), so it is saved again before writing."""
    held_parts: Collection[int]
    """Whole parts the *storage* holds. Local: what the partial's length covers, to be proved by digest."""
    is_verified_by_server: bool = True
    """After `commit`, where the storage `verifies_digest`: False if it could not this time, since another process sent
    the beginning and only one digest of everything counts. Then it is read back whatever the job wants."""

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
        """Where this root lies. Works for a root that does not exist yet (its nearest existing parent counts)."""

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
    ) -> Iterator[FileInfo | ListError]:
        """Everything below the root (not the root itself), lazily, in ascending byte order of path.

        Memory: the largest directory, not the tree. `prune(directory path)` true: neither it nor anything below is
        listed. `stop_at`: root identities (`chain[0]` of the other side) that are not entered but reported as
        ListError(Overlap). Own and foreign partials (`PartialId.is_reserved`) are listed as Kind.SPECIAL."""

    def list_chunks(
        self,
        *,
        prune: Callable[[bytes], bool] | None = None,
        stop_at: Collection[str] = (),
    ) -> Iterator[list[FileInfo | ListError]]:
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
    def write_directories(
        self, directories: Sequence[tuple[bytes, Attributes]]
    ) -> list[FileInfo | StorageError]:
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
