"""What small source files hold, read before anybody was told to copy them (docs/adr/0021).

::

    a piece of memory:   head | contents … | index         written once, the head last
                          │                   ▲
                          └───────────────────┘

The `Prefetcher` reads files in the order of a listing while there is nothing else to do, in a thread that nobody waits
for: a file that can't be read may take minutes. Workers that were handed the same memory take from it instead of
reading again: a file as it was at one moment, its identity then and its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from struct import Struct
from typing import Any, Self

from storage_backends.base import FileInfo, Kind, Storage
from storage_backends.errors import StorageError

MOST_FILE_BYTES = 64 << 10
"""Of a larger file the copying costs more than the opening."""
MOST_BYTES = 32 << 20
"""Of all of them. Kept for the life of the command, in memory that no process counts as its own."""
MOST_FILES = 10_000
"""More are not read before Django is loaded."""
FRESH_SECONDS = 10.0
"""So old a content may be when it is copied. Who was stopped meanwhile, or whose machine slept, reads again."""
QUIET_SECONDS = 60.0
"""A file that has changed so lately may change again at once."""

_HEAD = Struct("dQQ")
"""When the reading began (CLOCK_BOOTTIME); where the index is, and how long."""
_WRITTEN_AT_ONCE = 1 << 20

Content = tuple[FileInfo, bytes, bytes]
"""Identity, bytes, SHA-256."""
_Index = dict[bytes, tuple[int, bytes, tuple[Any, ...]]]
"""By path: where its content is, its SHA-256, and its `FileInfo` without path and kind."""
_make = tuple.__new__


class Memory:
    """The piece of memory: shared with the forks of whoever made it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def new(cls) -> Self:
        """Raises OSError."""
        return cls(os.memfd_create("syncf-prefetch", os.MFD_CLOEXEC))

    def fileno(self) -> int:
        """Its descriptor."""
        return self._fd

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes, or fewer at its end."""
        return os.pread(self._fd, size, offset)

    def write(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """All of them. Raises OSError where there is no room."""
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._fd, rest, offset)
            rest, offset = rest[count:], offset + count

    def close(self) -> None:
        """Others keep theirs. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def worth_it(files: Iterable[tuple[bytes, Kind, int]]) -> list[bytes]:
    """The paths of the first small files of a listing."""
    paths, room = list[bytes](), MOST_BYTES
    for path, kind, size in files:
        if kind is Kind.FILE and size <= MOST_FILE_BYTES:
            paths.append(path)
            room -= size
            if room < 0 or len(paths) == MOST_FILES:
                break
    return paths


class Prefetcher:
    """Reads ahead into a piece of memory. What can't be read is left to whoever copies it, who says why."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._begun = boottime()
        self._index: _Index = {}
        self._unwritten = bytearray()
        self._written = _HEAD.size
        self._lock, self._is_over = threading.Lock(), False

    def read(self, storage: Storage, paths: Sequence[bytes]) -> None:
        """These, until it is stopped or enough is read."""
        storage.prefetch(paths, MOST_FILE_BYTES)
        for path in paths:
            if self._is_over or self._size() >= MOST_BYTES:
                break
            self._read_one(storage, path)
        storage.prefetch((), MOST_FILE_BYTES)

    def stop(self) -> None:
        """Keep nothing more. Another thread may be reading: what it has under way is not waited for."""
        with self._lock:
            self._is_over = True

    def publish(self) -> None:
        """Stop; from now on it can be taken; where there is no room for it, never."""
        self.stop()
        index = ForkingPickler.dumps(self._index)
        with suppress(OSError):
            self._write()
            self._memory.write(index, self._written)
            self._memory.write(_HEAD.pack(self._begun, self._written, len(index)), 0)

    def _read_one(self, storage: Storage, path: bytes) -> None:
        try:
            info, data = storage.read_whole(path, MOST_FILE_BYTES)
        except StorageError:
            return
        if info.mtime_ns is None or info.mtime_ns / 1e9 < time.time() - QUIET_SECONDS:
            sha256 = hashlib.sha256(data).digest()
            with self._lock:
                if not self._is_over:
                    self._keep(path, info, data, sha256)

    def _keep(self, path: bytes, info: FileInfo, data: bytes, sha256: bytes) -> None:
        self._index[path] = self._size(), sha256, info[2:]
        self._unwritten += data
        if len(self._unwritten) >= _WRITTEN_AT_ONCE:
            self._write()

    def _size(self) -> int:
        return self._written + len(self._unwritten)

    def _write(self) -> None:
        self._memory.write(self._unwritten, self._written)
        self._written = self._size()
        self._unwritten.clear()


class Prefetched:
    """What a prefetcher has read of one place, each file to be taken once."""

    def __init__(self, memory: Memory, url: str, path: bytes) -> None:
        self.memory, self.place = memory, (url, path)
        self._is_looked_for = False
        self._begun = 0.0
        self._index: _Index = {}

    def of(self, url: str, path: bytes) -> Self | None:
        """This, if it is of that place and there is anything. Nothing comes after the first time that it is asked for:
        what is to be copied was listed after the reading."""
        if (url, path) != self.place:
            return None
        if not self._is_looked_for:
            self._is_looked_for = True
            self._load()
        return self if self._index else None

    def __contains__(self, path: bytes) -> bool:
        return path in self._index

    def take(self, path: bytes, max_bytes: int) -> Content | None:
        """None where the file is to be read."""
        found = self._index.pop(path, None)
        if found is None or found[2][0] > max_bytes:
            return None
        if boottime() - self._begun > FRESH_SECONDS:
            self._index.clear()
            return None
        offset, sha256, facts = found
        return _make(FileInfo, (path, Kind.FILE, *facts)), self.memory.read(offset, facts[0]), sha256

    def _load(self) -> None:
        head = self.memory.read(0, _HEAD.size)
        if head:
            self._begun, offset, size = _HEAD.unpack(head)
            self._index = ForkingPickler.loads(self.memory.read(offset, size)) if size else {}


def boottime() -> float:
    """Goes on while the machine sleeps. (`control` has the same, and more to load.)"""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
