"""What storages tell of files and of themselves, and what a file is given: plain values."""

from __future__ import annotations

import enum
import stat
from typing import Literal, NamedTuple, Self

from storage_backends.errors import StorageError

_make = tuple.__new__
"""Makes a named tuple as calling its class does, with one call less: for those that are made for every file."""


class Kind(enum.StrEnum):
    """What stands behind a name."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"
    """FIFO, socket, device: listed, so that it can be counted as skipped, never opened."""


KIND_OF_TYPE = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
"""By the bits of a mode that tell it; all others are special."""
SET_ID_BITS = stat.S_ISUID | stat.S_ISGID


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
    """Of the original, kept with an object: shown by look-ups, not by every listing, and no part of the identity. Of a
    local file, its time where that is too far away for `mtime_ns`, which must fit into 64 bits."""


class ListError(NamedTuple):
    """A directory that could not be listed: everything below it is *unknown*, not gone."""

    path: bytes
    error: StorageError


Entry = FileInfo | ListError
"""What a listing is made of."""


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
    batch_files: int = 5000
    """Files of one group commit. On a disk the two syncfs cost 26 us per file at 500, 24 at 1,000, 22 at 2,000
    (5,000: tests/benchmarks/notes.md); far away a small group lets pause and kill get through."""
    may_write_parts_in_any_order: bool = False
    parts_in_flight: int = 0
    """Parts that are sent at once, in threads, and read back by them where that is done before the commit. Memory is
    (this + 2) parts, or 2 × (this + 1). 0: written one by one by the caller."""
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
    holds_its_root: bool = False
    """An open storage is its root itself, not a name for it: it goes with a root that is moved away, pins its mount and
    remembers what was left there. So it is opened anew for every assignment, which must cost next to nothing."""
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
        _, _, _, mtime_ns, _, mode, uid, gid, _, kept_mtime_ns = info
        return _make(cls, (mtime_ns if kept_mtime_ns is None else kept_mtime_ns, mode, uid, gid))
