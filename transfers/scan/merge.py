"""Three streams in byte order of path, joined in one pass with a chunk of each in hand.

Most files of most scans are as they were left. Those are passed over here, in one comparison of tuples each, and only
counted; `decide` would say UNCHANGED of every one of them (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter, lt
from typing import Any, Generic, TypeVar

from jobs.pages import PATH, RawRow, Row
from storage_backends.base import FileInfo, Kind, ListError

#: After so many files were passed over, the caller is given a chance to look at the clock.
BREATH_FILES = 1000

Joined = tuple[FileInfo | None, Row | None, FileInfo | None]
Listed = tuple[Any, ...]
"""A `FileInfo`, or the first five fields of one."""
Entry = Listed | ListError
Item = TypeVar("Item", bound=tuple[Any, ...])

_LEFT_ALONE = ("completed", "", False, False)
"""`Row` from `status` to `compare_first`: completed, nothing to say, not gone, times to be trusted."""
_FILE = Kind.FILE
_path_of = itemgetter(0)
BREATH: Joined = (None, None, None)
"""Comes now and then instead of a path."""


class OutOfOrder(Exception):
    """A listing was not in byte order; going on would take files for gone that are not."""


def listed(chunks: Iterable[Sequence[Entry]], on_error: Callable[[ListError], None]) -> Iterator[list[Listed]]:
    """The chunks without the errors, which go to `on_error` before anything later is yielded. Raises OutOfOrder."""
    last: list[bytes] = []
    for chunk in chunks:
        entries = _without_errors(chunk, on_error) if ListError in map(type, chunk) else list(chunk)
        paths = [*last, *map(_path_of, entries)]
        if not all(map(lt, paths, paths[1:])):
            before, after = next(pair for pair in pairwise(paths) if not lt(*pair))
            raise OutOfOrder(f"{after!r} was listed after {before!r}")
        if entries:
            last = paths[-1:]
            yield entries


def _without_errors(chunk: Sequence[Entry], on_error: Callable[[ListError], None]) -> list[Listed]:
    entries: list[Listed] = []
    for entry in chunk:
        if isinstance(entry, ListError):
            on_error(entry)
        else:
            entries.append(entry)
    return entries


class _Stream(Generic[Item]):
    """Chunks, and how far in the latest of them the merge has come."""

    __slots__ = ("_at", "_chunks", "_items")

    def __init__(self, chunks: Iterator[list[Item]]) -> None:
        self._chunks, self._at = chunks, 0
        self._items: list[Item] = []

    def head(self) -> Item | None:
        """The next item; None at the end."""
        while self._at >= len(self._items):
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            self._items, self._at = chunk, 0
        return self._items[self._at]

    def in_hand(self) -> int:
        """How many items can be had without asking for the next chunk."""
        return len(self._items) - self._at

    def near(self, count: int) -> list[Item]:
        """The next `count` of those."""
        return self._items[self._at : self._at + count]

    def go(self, count: int = 1) -> None:
        """These items are done."""
        self._at += count

    def take(self, item: Item) -> Item:
        """It is the next one, and done."""
        self._at += 1
        return item


class Merge:
    """Iterate once: a tuple per path, in byte order, None where a stream does not have it. Paths only the sink has are
    left out, and, if `passes_over`, files that are as they were left. Now and then `BREATH` comes."""

    def __init__(
        self,
        source: Iterator[list[Listed]],
        rows: Iterator[list[RawRow]],
        sink: Iterator[list[Listed]],
        *,
        passes_over: bool,
    ) -> None:
        self.passed_files = self.passed_bytes = 0
        self._source, self._rows, self._sink = _Stream(source), _Stream(rows), _Stream(sink)
        self._passes_over = passes_over

    def __iter__(self) -> Iterator[Joined]:
        while True:
            a, b, c = self._source.head(), self._rows.head(), self._sink.head()
            if a is None and b is None:
                return
            key = _smaller(a, b)
            if c is not None and c[0] < key:
                self._sink.go()
            elif self._passes_over and a and b and c and _is_as_left(a, b, c):
                self._pass_over()
                yield BREATH
            else:
                yield (
                    _info(self._source.take(a)) if a and a[0] == key else None,
                    Row._make(self._rows.take(b)) if b and b[PATH] == key else None,
                    _info(self._sink.take(c)) if c and c[0] == key else None,
                )

    def _pass_over(self) -> None:
        """All that follow each other in the chunks in hand and are as they were left."""
        streams = (self._source, self._rows, self._sink)
        near = min(BREATH_FILES, *(stream.in_hand() for stream in streams))
        count = size = 0
        for a, b, c in zip(*(stream.near(near) for stream in streams), strict=True):
            # as `_is_as_left`, with one call less: done for every file of every scan
            if _LEFT_ALONE + a[:5] + c[2:5] != b[1:] or a[0] != c[0] or not a[1] is _FILE is c[1]:
                break
            count += 1
            size += a[2]
        for stream in streams:
            stream.go(count)
        self.passed_files += count
        self.passed_bytes += size


def _info(listed: Listed) -> FileInfo:
    return listed if isinstance(listed, FileInfo) else FileInfo(*listed)


def _is_as_left(source: Listed, row: RawRow, sink: Listed) -> bool:
    """Whether source and sink of a completed file look as the row says."""
    return _LEFT_ALONE + source[:5] + sink[2:5] == row[1:] and source[0] == sink[0] and source[1] is _FILE is sink[1]


def _smaller(a: Listed | None, b: RawRow | None) -> bytes:
    if a is None:
        assert b is not None
        path: bytes = b[PATH]
        return path
    smaller: bytes = a[0] if b is None or a[0] < b[PATH] else b[PATH]
    return smaller
