"""From a URL to a broker. A new broker is one module and one line here (and one subclass of the conformance suite)."""

from __future__ import annotations

from collections.abc import Callable

from transfers.broker.base import Broker
from transfers.broker.database import DatabaseBroker
from transfers.broker.errors import BrokerMisconfigured


def open_broker(url: str, *, queue_prefix: str) -> Broker:
    """The broker for `url`, not yet connected to anything.

    `queue_prefix` keeps installations apart that share a server, as in `syncf.1f2e3d4c`. Raises BrokerMisconfigured,
    whose text names no password."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in BROKERS:
        begin = repr(f"{scheme}://") if separator else "no scheme at all"
        known = ", ".join(f"{name}://" for name in BROKERS)
        raise BrokerMisconfigured(f"BROKER_URL begins with {begin}; this version knows {known}")
    return BROKERS[scheme](url, queue_prefix)


def _open_database(url: str, queue_prefix: str) -> Broker:
    return DatabaseBroker()


def _open_memory(url: str, queue_prefix: str) -> Broker:
    from transfers.broker.memory import MemoryBroker  # which only tests ask for

    return MemoryBroker()


def _open_rabbitmq(url: str, queue_prefix: str) -> Broker:
    from transfers.broker.rabbitmq.broker import RabbitmqBroker  # here, so that nobody else waits for pika

    return RabbitmqBroker(url, queue_prefix=queue_prefix)


BROKERS: dict[str, Callable[[str, str], Broker]] = {
    "database": _open_database,
    "memory": _open_memory,
    "amqp": _open_rabbitmq,
    "amqps": _open_rabbitmq,
}
"""URL scheme → what opens the broker."""
