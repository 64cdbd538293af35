"""A RabbitMQ to share, and queues on it that are this test's own."""

import os
import uuid

import pika
import pytest

from tests.servers import ServerMissing, ensure_rabbitmq


@pytest.fixture(scope="session")
def rabbitmq_url():
    """Missing is a failure under CI, else a skip that names what to type."""
    try:
        return ensure_rabbitmq()
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


@pytest.fixture
def impatient_consumers(monkeypatch):
    """Consumers that look every half second, not every minute, whether the server has forgotten them."""
    monkeypatch.setattr("transfers.broker.rabbitmq.consumer.RENEW_SECONDS", 0.5)


@pytest.fixture
def server(rabbitmq_url):
    """A plain connection to the shared server, to look and meddle with."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        yield connection.channel()


@pytest.fixture
def prefix(server):
    """A queue prefix that nobody else uses; both queues are deleted afterwards."""
    prefix = f"syncf-test-{uuid.uuid4().hex}"
    yield prefix
    for queue in (f"{prefix}.tasks", f"{prefix}.dead"):
        server.queue_delete(queue)
