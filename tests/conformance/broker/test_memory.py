"""The broker inside one process."""

from tests.conformance.broker.suite import BrokerConformance
from transfers.broker.registry import open_broker


class TestMemoryBroker(BrokerConformance):
    scheme = "memory"

    def open(self):
        return open_broker("memory://", queue_prefix="unused")
