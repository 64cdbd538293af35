"""The broker: it answers, and its queues are as this version wants them."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.readiness import Unready
from transfers.management.doctor.findings import Finding, error, ok
from transfers.management.startup import require_broker
from transfers.queue import open_queue


def check_broker() -> Iterator[Finding]:
    """A slave tries for ever to reach it; whoever starts is refused."""
    try:
        require_broker()
    except Unready as unready:
        yield error("broker", str(unready), "Running slaves work on, more slowly; nothing is lost meanwhile.")
        return
    with open_queue() as broker:
        waiting = broker.pending()
        queue = "slaves ask the database" if waiting is None else f"answers; {waiting} hints wait"
        yield ok("broker", f"{broker.describe()}: {queue}")
