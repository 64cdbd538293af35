"""RabbitMQ with either queue type."""

import pytest

from tests.conformance.broker.suite import BrokerConformance
from transfers.broker.registry import open_broker


class TestRabbitmqQuorumQueue(BrokerConformance):
    scheme = "amqp"
    options = ""

    @pytest.fixture(autouse=True)
    def _on_the_shared_server(self, rabbitmq_url, prefix):
        self.url, self.prefix = rabbitmq_url, prefix

    def open(self):
        return open_broker(self.url + self.options, queue_prefix=self.prefix)


class TestRabbitmqClassicQueue(TestRabbitmqQuorumQueue):
    options = "?queue_type=classic"
