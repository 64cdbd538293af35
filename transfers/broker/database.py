"""The embedded default: no broker at all. Slaves ask the database, which is where the work is anyway."""

from __future__ import annotations

from collections.abc import Sequence

from transfers.broker.base import Broker, Delivery, Hint, LookInDatabase
from transfers.broker.inbox import Inbox


class DatabaseBroker(Broker):
    """Keeps nothing and wakes nobody: a row that was committed is all the hint there is."""

    def __init__(self) -> None:
        self._never_readable = Inbox()

    def publish(self, hints: Sequence[Hint]) -> int:
        return len(hints)

    def pending(self) -> int | None:
        return None

    def probe(self) -> None:
        """Whether the database answers is asked elsewhere."""

    def start_consuming(self) -> None:
        """Nothing will come."""

    def receive(self) -> Delivery | LookInDatabase | None:
        return LookInDatabase()

    def ack(self, delivery: Delivery) -> None:
        """Nothing was delivered."""

    def pause_consuming(self) -> None:
        """Nothing comes anyway."""

    def resume_consuming(self) -> None:
        """Nothing comes anyway."""

    def fileno(self) -> int:
        return self._never_readable.fileno()

    @property
    def is_connected(self) -> bool:
        return True

    def describe(self) -> str:
        return "database://"

    def close(self) -> None:
        self._never_readable.close()
