"""How waiting tasks are cut into batches: many small files together, big and repeatedly failing ones alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

BATCH_FILES, BATCH_BYTES = 1000, 256 << 20
LEAST_BATCH_BYTES = 64 << 10
#: A slave that looks for itself takes up to so many, by how much is waiting (docs/adr/0008).
MOST_BATCH_FILES = 5000
#: So little is done before two workers had shared it.
LIGHT_FILES, LIGHT_BYTES = 500, 32 << 20
#: A file from this size on travels alone, so that it can be resumed, and nothing waits behind it.
BIG_FILE_BYTES = 16 << 20
#: By attempts made so far: one poisonous file must not take its neighbours along.
FILES_BY_ATTEMPTS = (MOST_BATCH_FILES, 50, 5, 1)


class Sized(Protocol):
    """What the cut needs to know of a task."""

    @property
    def id(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def attempts(self) -> int: ...


class Placed(Sized, Protocol):
    """And where the cut is to fall between two directories."""

    @property
    def path(self) -> bytes: ...


class Waiting(NamedTuple):
    """No more than that."""

    id: int
    size: int
    attempts: int


def most_bytes(bytes_per_second: int | None) -> int:
    """For one batch of a job: of one with a rate no more than it may send in a second, so that one sees it go on."""
    return BATCH_BYTES if bytes_per_second is None else max(LEAST_BATCH_BYTES, min(BATCH_BYTES, bytes_per_second))


def fair_share(waiting: int, *, workers: int) -> int:
    """Files for one worker's next batch: half of its share of what waits, so that all of them end about together."""
    return max(1, min(MOST_BATCH_FILES, -(-waiting // (2 * workers))))


def next_batch(rows: Sequence[Placed], *, fair: int, most_bytes: int = BATCH_BYTES) -> list[int]:
    """The first batch of `rows`, of `fair` files; more than is fair where so few bytes are not worth sharing, less
    where half of it or more ends with a directory: two workers at a new one can't give it its name at once."""
    batch = next(cut(rows, most=max(fair, LIGHT_FILES), most_bytes=most_bytes), [])
    is_light = sum(row.size for row in rows[: len(batch)]) <= LIGHT_BYTES
    return batch[: _end_of_directory(rows, len(batch) if is_light else min(fair, len(batch)))]


def _end_of_directory(rows: Sequence[Placed], count: int) -> int:
    """The last number of rows up to `count` after which another directory begins, or `count`."""
    if not 0 < count < len(rows):
        return count
    begun = rows[count].path.rpartition(b"/")[0]
    for end in range(count, count // 2, -1):
        if rows[end - 1].path.rpartition(b"/")[0] != begun:
            return end
    return count


def cut(tasks: Iterable[Sized], *, most: int = BATCH_FILES, most_bytes: int = BATCH_BYTES) -> Iterator[list[int]]:
    """Batches of ids in the given order; none larger than `most` files or `most_bytes` (one bigger file alone)."""
    batch: list[int] = []
    room_files, room_bytes = most, most_bytes
    for task in tasks:
        size, limit = task.size, most
        if task.attempts or size >= BIG_FILE_BYTES:
            limit = min(most, _limit(task))
        if batch and (len(batch) >= (limit if limit < room_files else room_files) or size > room_bytes or limit == 1):
            yield batch
            batch, room_files, room_bytes = [], most, most_bytes
        batch.append(task.id)
        room_files = limit if limit < room_files else room_files
        room_bytes -= size
    if batch:
        yield batch


def _limit(task: Sized) -> int:
    if task.size >= BIG_FILE_BYTES:
        return 1
    return FILES_BY_ATTEMPTS[min(task.attempts, len(FILES_BY_ATTEMPTS) - 1)]
