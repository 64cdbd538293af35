"""No broker without the suite."""

from tests.conformance.broker import test_database, test_memory, test_rabbitmq
from tests.conformance.broker.suite import BrokerConformance
from transfers.broker.registry import BROKERS

SAME_BROKER = {"amqps": "amqp"}
"""Differs only by the wrapping of its connection."""


def test_every_registered_broker_has_its_conformance_subclass():
    modules = (test_database, test_memory, test_rabbitmq)
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    covered = {each.scheme for each in classes if issubclass(each, BrokerConformance) and each is not BrokerConformance}
    assert covered == {SAME_BROKER.get(scheme, scheme) for scheme in BROKERS}
