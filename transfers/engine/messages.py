"""What a worker and its parent say to each other, besides the control page.

Pickled through `multiprocessing.connection`: safe here and only here, because both ends of the private socket pair are
the same program, and the parent started the worker itself. Nothing that comes from a network or a file is unpickled.

The worker asks `SaveToken`, `CheckpointMade`, `IntentAsked` or `FenceAsked` and waits; the parent writes its database
and answers each with one `Reply`. The others are not answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from transfers.engine.contracts import Identity, Outcome


class TaskKey(NamedTuple):
    """A claim: the task and the epoch it was claimed at."""

    task_id: int
    epoch: int


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

    keys: tuple[TaskKey, ...]


class ProgressMade(NamedTuple):
    """For people to look at; at most about two a second."""

    key: TaskKey
    bytes_done: int


class Outcomes(NamedTuple):
    """Outcomes that became true together, to be settled in one transaction."""

    outcomes: tuple[Outcome, ...]

    def __reduce__(self) -> tuple[Callable[[list[Any]], Outcomes], tuple[list[Any]]]:
        """As plain tuples: half the price of pickling three named tuples per file."""
        rows = [(*o[:4], o.source and tuple(o.source), o.sink and tuple(o.sink), *o[6:]) for o in self.outcomes]
        return _outcomes, (rows,)


class Finished(NamedTuple):
    """The assignment is done, all its outcomes have been sent; the worker is free."""

    number: int


def _outcomes(rows: list[Any]) -> Outcomes:
    named, make = Identity._make, Outcome._make
    return Outcomes(
        tuple([make((*row[:4], row[4] and named(row[4]), row[5] and named(row[5]), *row[6:])) for row in rows])
    )


Question = SaveToken | CheckpointMade | IntentAsked | FenceAsked
WorkerMessage = Question | ProgressMade | Outcomes | Finished


class Reply(NamedTuple):
    """The answer to a question: the ids of the asked tasks that are still ours and were written. Others: lease lost."""

    owned: frozenset[int]
