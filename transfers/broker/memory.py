"""Hints inside one process: for tests that would otherwise need a server.

Behaves as RabbitMQ does: one delivery at a time, the next one after its ack."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from transfers.broker.base import Broker, Delivery, Hint, LookInDatabase
from transfers.broker.errors import BrokerUnavailable
from transfers.broker.inbox import Inbox


class MemoryBroker(Broker):
    """Publisher and consumer are the same object, shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: deque[Hint] = deque()
        self._inbox = Inbox()
        self._last_tag = 0
        self._unacked_tag: int | None = None
        self._is_consuming = False
        self._is_paused = False
        self._is_closed = False

    def publish(self, hints: Sequence[Hint]) -> int:
        with self._lock:
            if self._is_closed and hints:
                raise BrokerUnavailable("this broker was closed")
            self._waiting.extend(hints)
            self._deliver_next()
        return len(hints)

    def pending(self) -> int | None:
        with self._lock:
            return len(self._waiting)

    def probe(self) -> None:
        """Memory is always there."""

    def start_consuming(self) -> None:
        with self._lock:
            self._is_consuming = True
            self._deliver_next()

    def receive(self) -> Delivery | LookInDatabase | None:
        return self._inbox.take()

    def ack(self, delivery: Delivery) -> None:
        with self._lock:
            if delivery.tag == self._unacked_tag:
                self._unacked_tag = None
                self._deliver_next()

    def pause_consuming(self) -> None:
        with self._lock:
            self._is_paused = True
            for delivery in self._inbox.take_all():
                self._waiting.appendleft(delivery.hint)
                self._unacked_tag = None

    def resume_consuming(self) -> None:
        with self._lock:
            self._is_paused = False
            self._deliver_next()

    def _deliver_next(self) -> None:
        may_deliver = self._is_consuming and not self._is_paused and not self._is_closed
        if may_deliver and self._waiting and self._unacked_tag is None:
            self._last_tag += 1
            self._unacked_tag = self._last_tag
            self._inbox.put(Delivery(self._waiting.popleft(), tag=self._last_tag))

    def fileno(self) -> int:
        return self._inbox.fileno()

    @property
    def is_connected(self) -> bool:
        return not self._is_closed

    def describe(self) -> str:
        return "memory://"

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._inbox.close()
