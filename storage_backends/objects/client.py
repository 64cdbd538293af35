"""What a service can do with whole objects: the part of it that one file per service has to write.

Keys are text, complete (prefix included). A client is used by many threads at once. Every method raises only
`StorageError` and its children, with the service's exception as their cause; what a service means by throttling,
expired credentials or a missing bucket is told apart here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from storage_backends.errors import NotFound, VersionChanged
from storage_backends.names import display_path
from storage_backends.objects.http import Http, Talk
from storage_backends.objects.shorter import ShorterWay

T = TypeVar("T")


class Stored(NamedTuple):
    """One object as its service describes it."""

    key: str
    size: int
    version: str
    """Etag or generation, as listings, look-ups and writes all show it."""
    metadata: Mapping[str, str] | None
    """User metadata, names in lower case; None where a listing does not tell it."""
    modified_ns: int | None = None
    """When the service stored it, where the answer says so."""


class Page(NamedTuple):
    """A piece of a listing."""

    objects: list[Stored]
    next: str
    """The token of the next one; empty at the end."""


class ObjectClient(ABC):
    """One bucket or container.

    Where there is `http`, one thread can have many small objects written and read at once, by talks over it. What comes
    to nothing (None) goes the way of `get`, `put` and `read_back`."""

    shorter = ShorterWay()
    """Tried before anything else is."""

    @property
    def http(self) -> Http | None:
        """What talks go over."""
        return self.shorter.http

    def lead(self, talk: Talk[T]) -> T | None:
        """What comes of it."""
        return self.http.lead(talk) if self.http else None

    def getting(self, key: str, max_bytes: int) -> Talk[tuple[Stored, bytes] | None]:
        """See `get`."""
        return self.shorter.getting(key, max_bytes)

    def putting(
        self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None
    ) -> Talk[Stored | None]:
        """See `put`."""
        return self.shorter.putting(key, data, metadata, expected)

    def reading_back(self, key: str, version: str, size: int) -> Talk[bytes | None]:
        """See `read_back`."""
        return self.shorter.reading_back(key, version, size)

    @abstractmethod
    def has_any(self, prefix: str) -> bool:
        """Whether any key begins with `prefix`, in one request. Raises if the bucket can't be reached, does not exist,
        or must not be listed there."""

    @abstractmethod
    def listed(self, prefix: str) -> Iterator[Stored]:
        """Every object whose key begins with `prefix`, a page at a time, in ascending order of the keys' UTF-8."""

    @abstractmethod
    def head(self, key: str) -> Stored:
        """Raises NotFound."""

    def find(self, key: str) -> Stored | None:
        """What `head` tells; None for nothing."""
        try:
            return self.head(key)
        except NotFound:
            return None

    def version_at(self, key: str) -> str:
        """Of what stands there; empty for nothing, as `put` expects it."""
        found = self.find(key)
        return found.version if found else ""

    def expect(self, keys: Sequence[str]) -> None:  # noqa: B027
        """`get` will soon be asked for these, in ascending order: a chance to look at many at once."""

    @abstractmethod
    def get(self, key: str, max_bytes: int) -> tuple[Stored, bytes]:
        """A small object in one request. Raises NotFound, VersionChanged if it is larger than `max_bytes`."""

    @abstractmethod
    def read_range(self, key: str, version: str, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`, which is inside the object; returns bytes read, fewer only at its end. Raises
        VersionChanged when the object is not of this version (any more) or gone."""

    def read_back(self, key: str, version: str, size: int) -> bytes:
        """All of a small object of that version. Raises VersionChanged."""
        data = bytearray(size)
        return bytes(data[: self.read_range(key, version, 0, memoryview(data))]) if size else b""

    @abstractmethod
    def put(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str], expected: str | None) -> Stored:
        """A small object in one request, its digest checked by the server where that can. `expected` is the version it
        may replace, empty for none (PreconditionFailed otherwise); None: any."""

    def find_same(self, key: str, data: bytes | memoryview, metadata: Mapping[str, str]) -> Stored | None:
        """What stands there, if it is exactly this: for a `put` that was refused, perhaps because it is the repetition
        of one whose answer was lost."""
        try:
            stored, found = self.get(key, len(data))
        except (NotFound, VersionChanged):
            return None
        is_same = found == data and metadata.items() <= (stored.metadata or {}).items()
        return stored if is_same else None

    @abstractmethod
    def set_metadata(self, key: str, metadata: Mapping[str, str], expected: str) -> Stored:
        """Replace the metadata only. Raises VersionChanged, NotFound. Only where `sets_attributes`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Missing is success."""

    @abstractmethod
    def close(self) -> None:
        """Idempotent."""


def quoted(key: str) -> str:
    """A key, as messages show it."""
    return f"'{display_path(key.encode())}'"


def refuse_larger(stored: Stored, max_bytes: int) -> None:
    """Raises VersionChanged for an object that has grown since it was looked at."""
    if stored.size > max_bytes:
        raise VersionChanged(f"{quoted(stored.key)} is larger than {max_bytes:,} bytes")


def whole_seconds_ns(moment: datetime) -> int:
    """Without its fraction of a second: not every answer has one, and all have to tell the same of an object."""
    return int(moment.timestamp()) * 1_000_000_000


@lru_cache(maxsize=256)
def modified_ns(text: str) -> int | None:
    """Of the header Last-Modified; None where there is none."""
    try:
        return whole_seconds_ns(parsedate_to_datetime(text))
    except ValueError:
        return None
