"""How waiting tasks are cut into batches: many small files together, big and repeatedly failing ones alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

BATCH_FILES, BATCH_BYTES = 500, 256 << 20
#: A file from this size on travels alone, so that it can be resumed, and nothing waits behind it.
BIG_FILE_BYTES = 16 << 20
#: By attempts made so far: one poisonous file must not take its neighbours along.
FILES_BY_ATTEMPTS = (500, 50, 5, 1)


class Waiting(NamedTuple):
    """What the cut needs to know of a task."""

    id: int
    size: int
    attempts: int


def cut(tasks: Iterable[Waiting], *, most: int = BATCH_FILES) -> Iterator[list[int]]:
    """Batches of ids in the given order; none larger than `most` files or 256 MiB (one bigger file alone)."""
    batch: list[int] = []
    room_files, room_bytes = most, BATCH_BYTES
    for task in tasks:
        limit = min(most, _limit(task))
        if batch and (len(batch) >= min(limit, room_files) or task.size > room_bytes or limit == 1):
            yield batch
            batch, room_files, room_bytes = [], most, BATCH_BYTES
        batch.append(task.id)
        room_files = min(room_files, limit)
        room_bytes -= task.size
    if batch:
        yield batch


def _limit(task: Waiting) -> int:
    if task.size >= BIG_FILE_BYTES:
        return 1
    return FILES_BY_ATTEMPTS[min(task.attempts, len(FILES_BY_ATTEMPTS) - 1)]
