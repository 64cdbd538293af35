"""What outlives a process: the name of a partial, and all that is needed to go on with an upload."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

from storage_backends.values import Attributes, FileInfo, Kind

PARTIAL_PREFIX, PARTIAL_SUFFIX = b".syncf-", b".part"
_make = tuple.__new__


class PartialId(NamedTuple):
    """Names the partial of one task at one epoch. Unique per (installation, job, path, epoch).

    Or a new directory that is built with all that goes into it: then the epoch is a drawn number."""

    installation: str
    """8 hex digits."""
    task: str | tuple[str, bytes]
    """`digest`, or the job id and the path that it is of."""
    epoch: int

    @classmethod
    def of(cls, installation: str, job_id: str, path: bytes, epoch: int) -> PartialId:
        """The partial of the task of this path of this job."""
        return _make(cls, (installation, (job_id, path), epoch))  # as cls(...) does, with one call less

    @classmethod
    def of_directory(cls, installation: str, path: bytes, number: int) -> PartialId:
        """The partial of a new directory, whatever job it is for."""
        digest = hashlib.sha256(b"directory\0%s" % path.removesuffix(b"/")).hexdigest()[:20]
        return cls(installation, digest, number)

    @property
    def digest(self) -> str:
        """20 hex digits of SHA-256(job id + path), or of a directory's path alone. Made by whoever needs a name: many
        files never do, because they are written into a directory that is new itself."""
        if isinstance(self.task, str):
            return self.task
        job_id, path = self.task
        return hashlib.sha256(b"%s\0%s" % (job_id.encode(), path)).hexdigest()[:20]

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

    @classmethod
    def parse(cls, name: bytes) -> PartialId | None:
        """What a name of this form says; None for another."""
        words = name.removeprefix(PARTIAL_PREFIX).removesuffix(PARTIAL_SUFFIX).split(b"-")
        if not cls.is_reserved(name) or len(words) != 3 or not words[2].isdigit():
            return None
        return cls(words[0].decode("ascii", "replace"), words[1].decode("ascii", "replace"), int(words[2]))

    @classmethod
    def stands_for(cls, name: bytes, kind: Kind) -> bool:
        """Whether a name of this kind is a partial's. A directory is somebody's own unless we give such names."""
        return cls.parse(name) is not None if kind is Kind.DIRECTORY else cls.is_reserved(name)

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
