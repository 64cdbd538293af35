"""A RabbitMQ that is killed, frozen, short of memory, or tired of waiting for an ack: on a node of our own."""

import gc
import os
import signal
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conformance.broker.suite import BrokerConformance, eventually, hints_of, publish
from tests.conformance.broker.test_rabbitmq_faults import publishes
from tests.servers import ServerMissing, private_rabbitmq
from transfers.broker.base import LookInDatabase
from transfers.broker.errors import BrokerUnavailable
from transfers.broker.rabbitmq import link
from transfers.broker.registry import open_broker

ACK_WITHIN_MS = 2000


@pytest.fixture(scope="module")
def node():
    """Closes the channel of a consumer that holds a message for two seconds; looks four times a second."""
    try:
        with private_rabbitmq({"consumer_timeout": ACK_WITHIN_MS, "channel_tick_interval": 250}) as node:
            yield node
    except ServerMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


@pytest.fixture
def no_garbage_collection():
    """What was not closed stays open."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def attempts(monkeypatch):
    """Grows by one with every session that a link begins."""
    numbers = []

    class Counted(link.Session):
        def __init__(self, *arguments, number, **named):
            numbers.append(number)
            super().__init__(*arguments, number=number, **named)

    monkeypatch.setattr(link, "Session", Counted)
    return numbers


@contextmanager
def frozen(node):
    """Once every thread of it stands still: until then one may still answer."""
    os.killpg(node.process.pid, signal.SIGSTOP)
    try:
        eventually(lambda: set(states_of_threads(node.process.pid)) == {"T"})
        yield
    finally:
        os.killpg(node.process.pid, signal.SIGCONT)


def states_of_threads(group):
    """Of all processes of a group, one letter each, as proc(5) has them."""
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        with suppress(OSError):  # it ended
            state, _, its_group, *_ = stat.read_text().rpartition(")")[2].split()
            if int(its_group) == group:
                yield state


def told(caplog):
    """How many links said that they keep trying."""
    return sum("we keep trying" in line for line in caplog.messages)


class TestRabbitmqOutages:
    next_delivery = BrokerConformance.next_delivery
    expect = BrokerConformance.expect
    carries_hints = True

    @pytest.fixture
    def broker(self, node):
        with open_broker(node.url, queue_prefix=f"test-{uuid.uuid4().hex}") as broker:
            yield broker

    def test_a_channel_closed_for_a_late_ack_does_not_leave_a_deaf_consumer(self, broker):
        publish(broker, hints_of([1]))
        broker.start_consuming()
        late = self.next_delivery(broker)
        again = self.next_delivery(broker)  # after consumer_timeout
        assert again.hint == late.hint and again.connection > late.connection
        broker.ack(late)
        broker.ack(again)
        publish(broker, hints_of([2]))
        self.expect(broker, [2])

    def test_publishing_under_a_memory_alarm_is_refused_clearly_while_consuming_goes_on(self, broker, node, caplog):
        publish(broker, hints_of([1]))
        node.ctl("set_vm_memory_high_watermark", "0.000001")
        try:
            with pytest.raises(BrokerUnavailable, match="refuses messages: low on memory"):
                eventually(lambda: not broker.publish(hints_of([2])))
            assert broker.pending() is None
            broker.start_consuming()
            delivery = self.next_delivery(broker)
            broker.ack(delivery)
        finally:
            node.ctl("set_vm_memory_high_watermark", "0.4")
        eventually(lambda: publishes(broker, 3))
        assert caplog.text.count("refuses messages") == 1
        assert caplog.text.count("takes messages again") == 1

    def test_a_frozen_server_holds_the_publisher_up_for_seconds_only(self, broker, node):
        publish(broker, hints_of([1]))
        with frozen(node):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable, match="gave no answer for 5 s"):
                broker.publish(hints_of([2]))
        assert time.monotonic() - began < 8
        eventually(lambda: publishes(broker, 3))

    @pytest.mark.usefixtures("no_garbage_collection")
    def test_close_lets_go_of_a_frozen_server(self, node):
        descriptors = len(os.listdir("/proc/self/fd"))
        broker = open_broker(node.url, queue_prefix=f"test-{uuid.uuid4().hex}")
        broker.start_consuming()
        publish(broker, hints_of([1]))
        self.next_delivery(broker)
        with frozen(node):
            broker.close()
        assert len(os.listdir("/proc/self/fd")) <= descriptors

    @pytest.mark.usefixtures("impatient_consumers")
    def test_hints_come_again_after_the_server_was_killed_and_started(self, broker, node, caplog, attempts):
        """Those of before may be lost; the next ones arrive, at a broker opened during the outage too."""
        publish(broker, hints_of([1, 2, 3]))
        node.ctl("eval", "[dets:sync(T) || T <- dets:all()].")  # else it forgets quorum queues half a second old
        broker.start_consuming()  # only now: what takes longer than ACK_WITHIN_MS ends a channel that holds a message
        self.next_delivery(broker)
        caplog.clear()
        attempts.clear()
        node.kill9()
        eventually(lambda: not broker.is_connected)
        assert broker.receive() == LookInDatabase()
        assert broker.pending() is None
        with pytest.raises(BrokerUnavailable, match=r"can't be reached|lost the connection"):
            eventually(lambda: not broker.publish(hints_of([4])))
        with open_broker(node.url, queue_prefix=f"test-{uuid.uuid4().hex}") as opened_during_the_outage:
            opened_during_the_outage.start_consuming()
            eventually(lambda: told(caplog) >= 3 and len(attempts) > 9)
            # One line for each of three links, however often they try. Counted while the server is away: one that is
            # busy, or starting, may close a connection of its own accord, and that is told too.
            assert told(caplog) == 3
            node.start()
            for each in (broker, opened_during_the_outage):
                eventually(lambda each=each: publishes(each, 5))
                self.await_hint(each, 5)
        assert caplog.text.count("works again") >= 3

    def await_hint(self, broker, task_id):
        """Receive until that task is named."""
        while (delivery := self.next_delivery(broker)).hint.task_ids != (task_id,):
            broker.ack(delivery)
        broker.ack(delivery)
