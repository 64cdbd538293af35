"""What a worker and its parent say to each other, besides the control page.

Pickled through `multiprocessing.connection`: safe here and only here, because both ends of the private socket pair are
the same program, and the parent started the worker itself. Nothing that comes from a network or a file is unpickled.

The worker asks `SaveToken`, `CheckpointMade`, `IntentAsked` or `FenceAsked` and waits; the parent writes its database
and answers each with one `Reply`. The others are not answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple, Self

from transfers.engine.contracts import Assignment, Identity, Outcome, Result, Work

_make = tuple.__new__


class TaskKey(NamedTuple):
    """A claim: the task and the epoch it was claimed at."""

    task_id: int
    epoch: int


def pack_assignment(assignment: Assignment) -> tuple[Any, ...]:
    """As plain tuples, which are pickled in a fifth of the time: there may be two thousand works."""
    return tuple(assignment._replace(works=tuple(map(tuple, assignment.works))))  # type: ignore[arg-type]


def unpack_assignment(packed: tuple[Any, ...]) -> Assignment:
    """The assignment that was packed."""
    assignment = Assignment._make(packed)
    return assignment._replace(works=tuple(map(_make, repeat(Work), assignment.works)))


class SaveToken(NamedTuple):
    """See `Journal.save_token`. To be answered."""

    key: TaskKey
    token: str


class CheckpointMade(NamedTuple):
    """See `Journal.checkpoint`. To be answered."""

    key: TaskKey
    offset: int
    sha256: bytes


class IntentAsked(NamedTuple):
    """See `Journal.intent`. To be answered."""

    key: TaskKey
    sha256: bytes
    token: str


class FenceAsked(NamedTuple):
    """See `Journal.fence`. To be answered."""

    keys: tuple[tuple[int, int], ...]
    """Plain `TaskKey`s: there may be thousands of them."""


class ProgressMade(NamedTuple):
    """For people to look at; at most about two a second."""

    key: TaskKey
    bytes_done: int
    bytes_sent: int
    """In this attempt."""


class Outcomes(NamedTuple):
    """Outcomes that became true together, to be settled in one transaction."""

    outcomes: tuple[Outcome, ...]
    copied: list[Plain]
    """In short, those of which there are thousands: a file that was sent whole and completed."""

    @classmethod
    def pack(cls, outcomes: Iterable[Outcome]) -> Self:
        """Sort them."""
        others, copied = [], []
        for outcome in outcomes:
            source, sink = outcome.source, outcome.sink
            if source is None or sink is None or not _is_plain(outcome, source.size):
                others.append(outcome)
            else:
                copied.append((outcome.task_id, outcome.epoch, outcome.sha256, *source, *sink))
        return cls(tuple(others), copied)

    def in_full(self) -> tuple[Outcome, ...]:
        """All of them, as they were packed."""
        return (*self.outcomes, *map(unpack, self.copied))


Plain = tuple[int, int, bytes, int, int | None, str, int, int | None, str]
"""Task id, epoch, SHA-256; size, mtime_ns and version of the source, and of the sink."""

_SIZE = Outcome._fields.index("size")
_REST = Outcome(0, 0, Result.COMPLETED)[_SIZE + 2 :]
"""What is behind the sizes where nothing particular happened."""


def _is_plain(outcome: Outcome, size: int) -> bool:
    """Whether `unpack` would make the same of it."""
    return outcome.result is Result.COMPLETED and outcome[_SIZE:] == (size, size, *_REST)


def unpack(plain: Plain) -> Outcome:
    """The outcome that was told in short."""
    task_id, epoch, sha256, size, *_ = plain
    source, sink = Identity(*plain[3:6]), Identity(*plain[6:9])
    return Outcome(task_id, epoch, Result.COMPLETED, sha256, source, sink, size, size)


class Finished(NamedTuple):
    """The assignment is done, all its outcomes have been sent; the worker is free."""

    number: int


Question = SaveToken | CheckpointMade | IntentAsked | FenceAsked
WorkerMessage = Question | ProgressMade | Outcomes | Finished


class Reply(NamedTuple):
    """The answer to a question: the ids of the asked tasks that are still ours and were written. Others: lease lost."""

    owned: frozenset[int]
