"""Is the sink what the source is? Asked of no contender: both trees are read anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

Facts = tuple[object, ...]


def is_same(source: Path, sink: Path, *, with_times: bool) -> bool:
    """Whether names, sizes and bytes of all files agree (and their times and modes, where the contender keeps them)."""
    return dict(_files(source, with_times)) == dict(_files(sink, with_times))


def _files(root: Path, with_times: bool) -> Iterator[tuple[str, Facts]]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            times = (found.st_mtime_ns, found.st_mode) if with_times else ()
            yield os.path.relpath(path, root), (found.st_size, digest, *times)
