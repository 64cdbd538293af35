"""What every broker owes its callers: one test per obligation.

Hints only: a hint may come doubled and in any order, and a broker that carries none at all says LookInDatabase instead.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from transfers.broker.base import MAX_TASK_ID, Broker, Delivery, Hint, LookInDatabase
from transfers.broker.errors import BrokerUnavailable

PATIENCE_SECONDS = 15.0
A_MOMENT_SECONDS = 0.3


class BrokerConformance:
    """A subclass names the URL scheme it covers, opens a broker, and says whether hints travel through it."""

    scheme: str
    carries_hints = True

    def open(self) -> Broker:
        """A new broker whose queue is empty."""
        raise NotImplementedError

    @pytest.fixture
    def broker(self) -> Iterator[Broker]:
        with self.open() as broker:
            yield broker

    # publishing

    def test_publish_confirms_every_hint(self, broker: Broker) -> None:
        assert publish(broker, [Hint((1, 2)), Hint((3,))]) == 2

    def test_publish_of_nothing_confirms_nothing(self, broker: Broker) -> None:
        assert publish(broker, []) == 0

    def test_several_threads_may_publish_at_once(self, broker: Broker) -> None:
        confirmed: list[int] = []
        hints = [hints_of(range(n, n + 20)) for n in (1, 101, 201, 301)]
        run_together([lambda each=each: confirmed.append(publish(broker, each)) for each in hints])
        assert confirmed == [20] * 4
        assert broker.pending() in (80, None)

    def test_pending_counts_what_waits_or_says_that_it_is_unknown(self, broker: Broker) -> None:
        assert broker.pending() in (0, None)
        publish(broker, hints_of([1, 2, 3]))
        assert broker.pending() in (3, None)

    def test_probe_of_a_healthy_broker_raises_nothing(self, broker: Broker) -> None:
        broker.probe()

    # receiving

    def test_every_published_hint_arrives_or_the_database_is_named(self, broker: Broker) -> None:
        publish(broker, hints_of(range(1, 11)))
        broker.start_consuming()
        self.expect(broker, range(1, 11))

    def test_a_hint_published_later_arrives_too(self, broker: Broker) -> None:
        broker.start_consuming()
        for task_id in (1, 2):
            publish(broker, hints_of([task_id]))
            self.expect(broker, [task_id])

    def test_a_hint_of_five_hundred_large_ids_arrives_whole(self, broker: Broker) -> None:
        task_ids = tuple(range(MAX_TASK_ID - 499, MAX_TASK_ID + 1))
        publish(broker, [Hint(task_ids)])
        broker.start_consuming()
        delivery = self.next_delivery(broker)
        assert isinstance(delivery, LookInDatabase) or delivery.hint == Hint(task_ids)

    def test_no_hint_arrives_before_consuming_starts(self, broker: Broker) -> None:
        publish(broker, hints_of([1]))
        assert not is_readable(broker, A_MOMENT_SECONDS)
        assert not isinstance(broker.receive(), Delivery)

    def test_no_hint_arrives_that_nobody_published(self, broker: Broker) -> None:
        broker.start_consuming()
        assert not is_readable(broker, A_MOMENT_SECONDS)
        assert not isinstance(broker.receive(), Delivery)

    def test_receive_never_waits(self, broker: Broker) -> None:
        broker.start_consuming()
        began = time.monotonic()
        for _ in range(100):
            broker.receive()
        assert time.monotonic() - began < 1

    def test_the_descriptor_is_readable_exactly_while_a_hint_can_be_received(self, broker: Broker) -> None:
        publish(broker, hints_of([1]))
        broker.start_consuming()
        assert is_readable(broker, PATIENCE_SECONDS if self.carries_hints else 0) is self.carries_hints
        delivery = broker.receive()
        assert isinstance(delivery, Delivery) is self.carries_hints
        assert not is_readable(broker, 0)

    def test_starting_twice_is_starting_once(self, broker: Broker) -> None:
        broker.start_consuming()
        broker.start_consuming()
        publish(broker, hints_of([1]))
        self.expect(broker, [1])

    # acknowledging

    def test_an_acked_hint_is_no_longer_pending(self, broker: Broker) -> None:
        publish(broker, hints_of([1, 2]))
        broker.start_consuming()
        self.expect(broker, [1, 2])
        eventually(lambda: broker.pending() in (0, None))
        assert not is_readable(broker, A_MOMENT_SECONDS)

    def test_acking_twice_is_acking_once(self, broker: Broker) -> None:
        publish(broker, hints_of([1, 2, 3]))
        broker.start_consuming()
        seen: set[int] = set()
        while self.carries_hints and seen != {1, 2, 3}:
            delivery = self.next_delivery(broker)
            assert isinstance(delivery, Delivery)
            broker.ack(delivery)
            broker.ack(delivery)
            seen.update(delivery.hint.task_ids)

    def test_acking_what_was_never_delivered_does_no_harm(self, broker: Broker) -> None:
        broker.start_consuming()
        broker.ack(Delivery(Hint((7,)), connection=99, tag=99))
        publish(broker, hints_of([1]))
        self.expect(broker, [1])

    # pausing

    def test_nothing_arrives_while_paused(self, broker: Broker) -> None:
        broker.start_consuming()
        broker.pause_consuming()
        publish(broker, hints_of([1, 2]))
        assert not is_readable(broker, A_MOMENT_SECONDS)
        assert not isinstance(broker.receive(), Delivery)

    def test_hints_come_again_after_resuming(self, broker: Broker) -> None:
        broker.start_consuming()
        broker.pause_consuming()
        publish(broker, hints_of([1, 2]))
        broker.resume_consuming()
        self.expect(broker, [1, 2])

    def test_a_pause_before_consuming_starts_counts(self, broker: Broker) -> None:
        broker.pause_consuming()
        broker.start_consuming()
        publish(broker, hints_of([1]))
        assert not is_readable(broker, A_MOMENT_SECONDS)
        broker.resume_consuming()
        self.expect(broker, [1])

    def test_resuming_without_a_pause_changes_nothing(self, broker: Broker) -> None:
        broker.start_consuming()
        broker.resume_consuming()
        publish(broker, hints_of([1]))
        self.expect(broker, [1])

    def test_after_a_pause_before_the_ack_the_other_hints_wait_for_others(self, broker: Broker) -> None:
        publish(broker, hints_of([1, 2, 3]))
        broker.start_consuming()
        delivery = self.next_delivery(broker)
        broker.pause_consuming()
        if isinstance(delivery, Delivery):
            broker.ack(delivery)
        assert not is_readable(broker, A_MOMENT_SECONDS)
        eventually(lambda: broker.pending() in (2, None))

    def test_a_pause_gives_back_what_had_arrived_unreceived(self, broker: Broker) -> None:
        publish(broker, hints_of([1, 2]))
        broker.start_consuming()
        is_readable(broker, PATIENCE_SECONDS if self.carries_hints else 0)
        broker.pause_consuming()
        eventually(lambda: broker.pending() in (2, None))
        assert not is_readable(broker, 0)
        broker.resume_consuming()
        self.expect(broker, [1, 2])

    def test_a_hint_received_before_a_pause_can_be_acked_after_it(self, broker: Broker) -> None:
        publish(broker, hints_of([1, 2]))
        broker.start_consuming()
        delivery = self.next_delivery(broker)
        broker.pause_consuming()
        broker.resume_consuming()
        if isinstance(delivery, Delivery):
            broker.ack(delivery)
            self.expect(broker, {1, 2} - set(delivery.hint.task_ids))
        eventually(lambda: broker.pending() in (0, None))

    # describing and closing

    def test_the_description_names_the_scheme_and_no_password(self, broker: Broker) -> None:
        assert broker.describe().startswith(f"{self.scheme}://")
        assert ":guest@" not in broker.describe()

    def test_close_is_idempotent_and_leaves_the_other_methods_harmless(self, broker: Broker) -> None:
        publish(broker, hints_of([1]))
        broker.start_consuming()
        delivery = self.next_delivery(broker)
        broker.close()
        broker.close()
        broker.pause_consuming()
        broker.resume_consuming()
        broker.start_consuming()
        if isinstance(delivery, Delivery):
            broker.ack(delivery)
        assert not isinstance(broker.receive(), Delivery)

    def test_a_closed_broker_confirms_nothing_that_it_would_lose(self, broker: Broker) -> None:
        broker.close()
        if self.carries_hints:
            with pytest.raises(BrokerUnavailable):
                broker.publish(hints_of([1]))

    # what the tests wait with

    def next_delivery(self, broker: Broker) -> Delivery | LookInDatabase:
        """LookInDatabase only from a broker that carries no hints: the others say so only while they connect."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = broker.receive()
            if isinstance(answer, Delivery) or (answer and not self.carries_hints):
                return answer
            is_readable(broker, deadline - time.monotonic())
        raise AssertionError("no hint arrived")

    def expect(self, broker: Broker, task_ids: Iterable[int]) -> None:
        """Receive and ack until each of `task_ids` was named, some perhaps more than once, and no other."""
        wanted = set(task_ids)
        seen: set[int] = set()
        while seen != wanted:
            answer = self.next_delivery(broker)
            if isinstance(answer, LookInDatabase):
                return
            broker.ack(answer)
            seen.update(answer.hint.task_ids)
            assert seen <= wanted


def hints_of(task_ids: Iterable[int]) -> list[Hint]:
    """One hint for each task."""
    return [Hint((task_id,)) for task_id in task_ids]


def publish(broker: Broker, hints: Sequence[Hint]) -> int:
    """Until all are confirmed, as the scheduler does: a new quorum queue of a busy server may refuse its first ones."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    confirmed = 0
    while True:
        try:
            confirmed += broker.publish(hints[confirmed:])
        except BrokerUnavailable:
            if time.monotonic() > deadline:
                raise
        if confirmed == len(hints) or time.monotonic() > deadline:
            return confirmed
        time.sleep(0.1)


def is_readable(broker: Broker, seconds: float) -> bool:
    """Whether the broker's descriptor becomes readable in that time."""
    return bool(select.select([broker], [], [], max(seconds, 0))[0])


def eventually(is_true: Callable[[], bool]) -> None:
    """Asks until it is so; fails after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it never came true"
        select.select([], [], [], 0.02)


def run_together(work: list[Callable[[], None]]) -> None:
    """Each in a thread of its own; returns when all have ended."""
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
