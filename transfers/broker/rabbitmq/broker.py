"""RabbitMQ as a broker: a publisher and a consumer, each with a connection and a thread of its own.

Apart because a server that is low on memory stops reading from connections that publish, acks included."""

from __future__ import annotations

from collections.abc import Sequence

from transfers.broker.base import Broker, Delivery, Hint, LookInDatabase
from transfers.broker.errors import BrokerError
from transfers.broker.rabbitmq.address import Address
from transfers.broker.rabbitmq.consumer import Consumer
from transfers.broker.rabbitmq.explain import explain
from transfers.broker.rabbitmq.publisher import Publisher
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.rabbitmq.session import Closed, Session


class RabbitmqBroker(Broker):
    """Connects on first use: to publish with the first `publish` or `pending`, to consume with `start_consuming`."""

    def __init__(self, url: str, *, queue_prefix: str) -> None:
        self._address = Address.from_url(url)
        self._queues = Queues(queue_prefix, self._address.queue_type)
        self._publisher = Publisher(self._address, self._queues)
        self._consumer = Consumer(self._address, self._queues)
        self._is_consuming = False

    def publish(self, hints: Sequence[Hint]) -> int:
        return self._publisher.publish(hints)

    def pending(self) -> int | None:
        try:
            return self._publisher.pending()
        except BrokerError:
            return None

    def probe(self) -> None:
        session = Session(self._address, self._queues, number=0, on_ready=lambda session: session.end(Closed()))
        reason = session.run()
        if not isinstance(reason, Closed):
            raise explain(reason, self._address, self._queues)

    def start_consuming(self) -> None:
        self._is_consuming = True
        self._consumer.link.start("rabbitmq-consumer")

    def receive(self) -> Delivery | LookInDatabase | None:
        """LookInDatabase while there is no connection."""
        if delivery := self._consumer.receive():
            return delivery
        return None if self._consumer.link.is_ready else LookInDatabase()

    def ack(self, delivery: Delivery) -> None:
        self._consumer.ack(delivery)

    def pause_consuming(self) -> None:
        self._consumer.pause()

    def resume_consuming(self) -> None:
        self._consumer.resume()

    def fileno(self) -> int:
        return self._consumer.inbox.fileno()

    @property
    def is_connected(self) -> bool:
        """Of the consumer once there is one, else of the publisher."""
        return self._consumer.link.is_ready if self._is_consuming else self._publisher.link.is_ready

    def describe(self) -> str:
        return str(self._address)

    def close(self) -> None:
        self._publisher.close()
        self._consumer.close()
