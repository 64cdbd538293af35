"""What a worker and its parent say to each other, besides the control page.

Pickled through `multiprocessing.connection`: safe here and only here, because both ends of the private socket pair are
the same program, and the parent started the worker itself. Nothing that comes from a network or a file is unpickled.

The worker asks `SaveToken`, `CheckpointMade`, `IntentAsked` or `FenceAsked` and waits; the parent writes its database
and answers each with one `Reply`. The others are not answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfers.engine.contracts import Outcome


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A claim: the task and the epoch it was claimed at."""

    task_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class SaveToken:
    """See `Journal.save_token`. To be answered."""

    key: TaskKey
    token: str


@dataclass(frozen=True, slots=True)
class CheckpointMade:
    """See `Journal.checkpoint`. To be answered."""

    key: TaskKey
    offset: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class IntentAsked:
    """See `Journal.intent`. To be answered."""

    key: TaskKey
    sha256: bytes
    token: str


@dataclass(frozen=True, slots=True)
class FenceAsked:
    """See `Journal.fence`. To be answered."""

    keys: tuple[TaskKey, ...]


@dataclass(frozen=True, slots=True)
class ProgressMade:
    """For people to look at; at most about two a second."""

    key: TaskKey
    bytes_done: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes that became true together, to be settled in one transaction."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The assignment is done, all its outcomes have been sent; the worker is free."""

    number: int


Question = SaveToken | CheckpointMade | IntentAsked | FenceAsked
WorkerMessage = Question | ProgressMade | Outcomes | Finished


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a question: the ids of the asked tasks that are still ours and were written. Others: lease lost."""

    owned: frozenset[int]
