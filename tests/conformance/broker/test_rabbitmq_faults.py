"""What else may happen on a RabbitMQ that is up: deleted queues, garbage, a wrong URL."""

import hashlib

import pytest

from tests.conformance.broker.suite import BrokerConformance, eventually, hints_of, publish
from transfers.broker.base import LookInDatabase
from transfers.broker.errors import BrokerMisconfigured, BrokerUnavailable
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.registry import open_broker

GARBAGE = [b"", b"not json", b'{"v":2,"tasks":[1]}', b'{"v":1,"tasks":[true]}', b"[" * 5000, b"x" * 70_000]


class TestRabbitmqFaults:
    next_delivery = BrokerConformance.next_delivery
    expect = BrokerConformance.expect
    carries_hints = True

    @pytest.fixture
    def broker(self, rabbitmq_url, prefix):
        with open_broker(rabbitmq_url, queue_prefix=prefix) as broker:
            yield broker

    def test_a_purged_queue_goes_on_with_the_next_hint(self, broker, server, prefix):
        publish(broker, hints_of([1, 2, 3]))
        server.queue_purge(f"{prefix}.tasks")
        broker.start_consuming()
        publish(broker, hints_of([4]))
        self.expect(broker, [4])

    def test_a_queue_deleted_while_consuming_is_declared_again(self, broker, server, prefix):
        broker.start_consuming()
        publish(broker, hints_of([1]))
        self.expect(broker, [1])
        server.queue_delete(f"{prefix}.tasks")
        eventually(lambda: publishes(broker, 2))
        self.expect(broker, [2])

    @pytest.mark.usefixtures("impatient_consumers")
    def test_a_consumer_that_the_server_forgot_takes_a_new_channel(self, broker, server, prefix):
        """A quorum queue deleted and declared again within milliseconds: nobody tells its consumers."""
        broker.start_consuming()
        eventually(lambda: broker.is_connected)
        publish(broker, hints_of([1]))
        self.expect(broker, [1])
        arguments = Queues(prefix, "quorum").tasks_arguments
        server.queue_delete(f"{prefix}.tasks")
        server.queue_declare(f"{prefix}.tasks", durable=True, arguments=arguments)
        publish(broker, hints_of([2]))
        self.expect(broker, [2])

    def test_a_hint_for_a_deleted_queue_is_not_confirmed(self, broker, server, prefix):
        publish(broker, hints_of([1]))
        server.queue_delete(f"{prefix}.tasks")
        with pytest.raises(BrokerUnavailable, match="deleted; it is declared again"):
            broker.publish(hints_of([2]))
        eventually(lambda: publishes(broker, 3))

    def test_an_ack_for_a_lost_connection_acks_nothing_on_the_next(self, broker, server, prefix, rabbitmq_url):
        publish(broker, hints_of([1]))
        broker.start_consuming()
        old = self.next_delivery(broker)
        server.queue_delete(f"{prefix}.tasks")  # the consumer reconnects
        eventually(lambda: publishes(broker, 2))
        new = self.next_delivery(broker)
        assert (new.tag, new.hint.task_ids) == (old.tag, (2,))
        broker.ack(old)
        broker.close()
        with open_broker(rabbitmq_url, queue_prefix=prefix) as other:
            eventually(lambda: other.pending() == 1)

    def test_acking_twice_does_not_cost_the_connection(self, broker):
        """To RabbitMQ a second ack is an error for which it closes the channel."""
        publish(broker, hints_of([1]))
        broker.start_consuming()
        first = self.next_delivery(broker)
        broker.ack(first)
        broker.ack(first)
        publish(broker, hints_of([2, 3]))
        for _ in range(2):
            delivery = self.next_delivery(broker)
            broker.ack(delivery)
            assert delivery.connection == first.connection

    def test_hints_received_but_not_acked_come_back_when_the_slave_goes(self, broker, rabbitmq_url, prefix):
        publish(broker, hints_of([1]))
        broker.start_consuming()
        self.next_delivery(broker)
        broker.close()
        with open_broker(rabbitmq_url, queue_prefix=prefix) as other:
            other.start_consuming()
            self.expect(other, [1])

    def test_one_slave_holds_only_one_hint_so_that_another_gets_the_next(self, broker, rabbitmq_url, prefix):
        publish(broker, hints_of([1, 2]))
        with open_broker(rabbitmq_url, queue_prefix=prefix) as other:
            deliveries = []
            for each in (broker, other):
                each.start_consuming()
                deliveries.append(self.next_delivery(each))
        assert {delivery.hint.task_ids for delivery in deliveries} == {(1,), (2,)}

    def test_garbage_goes_to_the_dead_letter_queue_and_its_body_not_to_the_log(self, broker, server, prefix, caplog):
        broker.start_consuming()
        publish(broker, hints_of([1]))
        self.expect(broker, [1])
        for body in [*GARBAGE, b'{"v":1,"tasks":[2]}']:
            server.basic_publish("", f"{prefix}.tasks", body)
        self.expect(broker, [2])
        dead = [dead_letter(server, prefix) for _ in GARBAGE]
        assert sorted(dead) == sorted(GARBAGE)
        assert hashlib.sha256(b"not json").hexdigest()[:16] in caplog.text
        assert "not json" not in caplog.text

    def test_a_queue_with_other_arguments_is_an_error_that_says_how_to_mend_it(self, broker, rabbitmq_url, prefix):
        publish(broker, hints_of([1]))
        with open_broker(f"{rabbitmq_url}?queue_type=classic", queue_prefix=prefix) as classic:
            text = refusal(classic)
            classic.start_consuming()
            assert classic.receive() == LookInDatabase()
            assert not classic.is_connected
        assert "x-queue-type" in text and "'quorum'" in text and "'classic'" in text
        assert f"delete_queue {prefix}.tasks" in text and "?queue_type=quorum" in text

    def test_wrong_credentials_are_named_without_the_password(self, rabbitmq_url, prefix):
        server = rabbitmq_url.rpartition("@")[2]
        with open_broker(f"amqp://guest:s3cret@{server}", queue_prefix=prefix) as broker:
            text = refusal(broker)
        assert "refused user and password" in text and "guest:***@" in text and "s3cret" not in text

    def test_a_missing_virtual_host_is_named_with_the_line_to_type(self, rabbitmq_url, prefix):
        with open_broker(f"{rabbitmq_url.rstrip('/')}/no-such-vhost", queue_prefix=prefix) as broker:
            assert "rabbitmqctl add_vhost no-such-vhost" in refusal(broker)


def publishes(broker, task_id):
    """Whether the broker confirms a hint now."""
    try:
        return broker.publish(hints_of([task_id])) == 1
    except BrokerUnavailable:
        return False


def refusal(broker):
    """The text with which both `probe` and `publish` refuse."""
    with pytest.raises(BrokerMisconfigured) as probed:
        broker.probe()
    with pytest.raises(BrokerMisconfigured) as published:
        broker.publish(hints_of([1]))
    assert str(probed.value) == str(published.value)
    return str(probed.value)


def dead_letter(server, prefix):
    """The body of the next dead letter."""
    bodies = []
    eventually(lambda: bodies.append(server.basic_get(f"{prefix}.dead", auto_ack=True)[2]) or bodies[-1] is not None)
    return bodies[-1]
