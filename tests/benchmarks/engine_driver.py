"""`python -m tests.benchmarks.engine_driver FILE SINK [--no-checkpoints]`: one big file through the engine alone.

Prints the seconds. With `hash` for a sink: SHA-256 of the file and nothing else, the limit of one core.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from pathlib import Path

from storage_backends.base import Kind
from tests.unit.engine.doubles import MemoryControl, MemoryJournal
from transfers.engine import large
from transfers.engine.contracts import Assignment, Place, Result, Verify, Work
from transfers.engine.run import Storages, run

BUFFER_BYTES = 1 << 20


def copy(file: Path, sink: Path) -> float:
    """Seconds for the file, from open to durable and published."""
    place = Place("file:///", str(sink)[1:].encode(), create=True)
    work = Work(1, 1, 1, Kind.FILE, file.name.encode(), file.stat().st_size)
    source = Place("file:///", str(file.parent)[1:].encode())
    storages, begun = Storages(), time.perf_counter()
    assignment = Assignment(1, "bench", "0badcafe", source, place, Verify.READBACK, (work,))
    [outcome] = run(assignment, storages, MemoryJournal(), MemoryControl())
    seconds = time.perf_counter() - begun
    storages.close()
    if outcome.result is not Result.COMPLETED:
        raise SystemExit(outcome.reason_text)
    return seconds


def digest(file: Path) -> float:
    """Seconds to read and hash the file."""
    begun, sha256, buffer = time.perf_counter(), hashlib.sha256(), bytearray(BUFFER_BYTES)
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            sha256.update(memoryview(buffer)[:count])
    return time.perf_counter() - begun


def main(file: str, sink: str, *options: str) -> None:
    """Print the seconds."""
    if "--no-checkpoints" in options:
        large.CHECKPOINT_BYTES, large.CHECKPOINT_SECONDS = 1 << 62, math.inf
    print(digest(Path(file)) if sink == "hash" else copy(Path(file), Path(sink)))


if __name__ == "__main__":
    main(*sys.argv[1:])
