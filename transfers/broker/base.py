"""The broker interface: what the scheduler and the slaves may ask of whatever carries hints.

A broker carries *hints only*. One that is lost, doubled, reordered, late or forged costs time, never correctness:
a slave claims the named tasks in the database, and a claim that finds nothing to do is no error. So every method
may fail at any moment without harm, and the loops stay simple::

    scheduler                                       slave (one thread, select over its workers and the broker)
      commit rows                                     readable = select([broker, *workers], timeout)
      if (broker.pending() or 0) < wanted:            if a worker is free:
          n = broker.publish(hints)                       match broker.receive():
          mark the tasks of hints[:n] as published            case Delivery() as delivery:
                                                                  claim(delivery.hint.task_ids)
                                                                  if every worker is busy now:
                                                                      broker.pause_consuming()
                                                                  broker.ack(delivery)
                                                              case LookInDatabase():
                                                                  claim whatever is due (at most once a second)

Opening a broker touches nothing: connections and threads begin with the first use, so a process that forks does
it before. Errors are those of `transfers.broker.errors`; only `publish` and `probe` raise any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

MAX_TASK_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Hint:
    """These tasks may be waiting for somebody."""

    task_ids: tuple[int, ...]
    """Database ids, at least one, each once, from 1 to MAX_TASK_ID; ValueError otherwise."""

    def __post_init__(self) -> None:
        if not self.task_ids or len(set(self.task_ids)) != len(self.task_ids):
            raise ValueError("a hint names at least one task, and each only once")
        if any(type(task_id) is not int or not 1 <= task_id <= MAX_TASK_ID for task_id in self.task_ids):
            raise ValueError(f"task ids are integers from 1 to {MAX_TASK_ID}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A hint that arrived, with what `ack` needs to know."""

    hint: Hint
    connection: int = 0
    """Number of the connection it came by. On a later one the same tag means another message, so no ack goes there."""
    tag: int = 0


@dataclass(frozen=True, slots=True)
class LookInDatabase:
    """No hint can be expected from this broker now: ask the database."""


class Broker(ABC):
    """Carries hints from schedulers to slaves. A context manager.

    `publish`, `pending`, `probe` and `describe` may be called from any thread, the others from one."""

    @abstractmethod
    def publish(self, hints: Sequence[Hint]) -> int:
        """Hand over `hints`; returns how many of them, counted from the first, the broker has confirmed to keep.

        The rest may have arrived as well and is published again later. Returns within seconds. Raises BrokerUnavailable
        or BrokerMisconfigured when none was confirmed or the confirms did not come; then any may have arrived."""

    @abstractmethod
    def pending(self) -> int | None:
        """Hints that wait for a slave; None where that is unknown now or has no meaning."""

    @abstractmethod
    def probe(self) -> None:
        """Raise BrokerUnavailable or BrokerMisconfigured if hints could not be carried now. Returns within seconds."""

    @abstractmethod
    def start_consuming(self) -> None:
        """Let hints come. Never waits and never fails: an unreachable broker is tried again for ever."""

    @abstractmethod
    def receive(self) -> Delivery | LookInDatabase | None:
        """The next hint if one has arrived. Never waits. None: nothing now, `fileno` wakes the caller."""

    @abstractmethod
    def ack(self, delivery: Delivery) -> None:
        """The hint has done its work (the claim is committed). Without it the hint comes back some day. Idempotent."""

    @abstractmethod
    def pause_consuming(self) -> None:
        """Receive nothing until `resume_consuming`; what has arrived and was not received goes back to the others.

        Called before the `ack` of the hint that filled the last worker, nothing arrives in between."""

    @abstractmethod
    def resume_consuming(self) -> None:
        """Let hints come again. Without a pause a no-op."""

    @abstractmethod
    def fileno(self) -> int:
        """For `select`: readable exactly while `receive` would return a hint. The same number until `close`."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Whether hints can flow at this moment."""

    @abstractmethod
    def describe(self) -> str:
        """The URL without password, for logs and people."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; hints that were not acked come back to others. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
