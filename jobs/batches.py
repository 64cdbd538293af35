"""How waiting tasks are cut into batches: many small files together, big and repeatedly failing ones alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, takewhile
from math import ceil
from typing import NamedTuple, Protocol

BATCH_FILES, BATCH_BYTES = 1000, 256 << 20
LEAST_BATCH_BYTES = 64 << 10
#: A slave that looks for itself takes up to so many, by how much is waiting (docs/adr/0008).
MOST_BATCH_FILES = 5000
#: So little is done before two workers had shared it: its whole share, in one group commit.
LIGHT_FILES, LIGHT_BYTES = 500, 32 << 20
MOST_LIGHT_FILES = 4000
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


class Share(NamedTuple):
    """Files for one worker's next batch."""

    fair: int
    """Half of its share of what waits, so that all of them end about together."""
    light: int
    """All of its share; as much of it as is few bytes is taken at once, a group commit more would take longer."""

    @property
    def most(self) -> int:
        """More than that no batch has."""
        return max(self.fair, self.light)


def share(waiting: int, *, workers: int, lead: float) -> Share:
    """Of so many files for so many workers, for one that can do `lead` of them until the others are free."""
    whole = ceil(waiting / workers + lead)
    fair = max(1, min(MOST_BATCH_FILES, -(-whole // 2)))
    return Share(fair, max(LIGHT_FILES, min(MOST_LIGHT_FILES, whole)))


def next_batch(rows: Sequence[Placed], share: Share, *, most_bytes: int) -> list[int]:
    """The first batch of `rows`. It ends with a directory, if that leaves more than half of it: two workers at a new
    one can't give it its name at once."""
    batch = next(cut(rows, most=share.most, most_bytes=most_bytes), [])
    sizes = accumulate(row.size for row in rows[: min(len(batch), share.light)])
    light = sum(1 for _ in takewhile(LIGHT_BYTES.__ge__, sizes))
    return batch[: _end_of_directory(rows, min(len(batch), max(light, share.fair)))]


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
