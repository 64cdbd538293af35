"""The database as its own broker."""

from tests.conformance.broker.suite import BrokerConformance
from transfers.broker.registry import open_broker


class TestDatabaseBroker(BrokerConformance):
    scheme = "database"
    carries_hints = False

    def open(self):
        return open_broker("database://", queue_prefix="unused")
