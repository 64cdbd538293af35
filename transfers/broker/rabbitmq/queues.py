"""The two queues of an installation: hints, and messages that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DELIVERY_LIMIT = 20
"""A quorum queue gives up on a message whose receivers die this often. Said explicitly: RabbitMQ 4 limits anyway."""
MAX_DEAD = 10_000
"""The oldest dead messages make room for new ones, so that garbage can't fill the server's disk."""


@dataclass(frozen=True)
class Queues:
    """Names and arguments. Every declaration must use the same arguments, or RabbitMQ refuses it."""

    prefix: str
    queue_type: str

    @property
    def tasks(self) -> str:
        """The queue of hints."""
        return f"{self.prefix}.tasks"

    @property
    def dead(self) -> str:
        """The queue of messages that could not be understood or delivered."""
        return f"{self.prefix}.dead"

    @property
    def tasks_arguments(self) -> dict[str, Any]:
        """Dead letters go through the default exchange straight to the other queue."""
        arguments = {
            "x-queue-type": self.queue_type,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead,
        }
        return arguments | ({"x-delivery-limit": DELIVERY_LIMIT} if self.queue_type == "quorum" else {})

    @property
    def dead_arguments(self) -> dict[str, Any]:
        """A bounded queue that nobody consumes: a person looks at it."""
        return {"x-queue-type": self.queue_type, "x-max-length": MAX_DEAD}
