"""Deliveries on their way from the thread that reads a socket to the one that sleeps in select()."""

from __future__ import annotations

import socket
import threading
from collections import deque

from transfers.broker.base import Delivery


class Inbox:
    """A thread-safe queue with a file descriptor that is readable exactly while the queue is not empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries: deque[Delivery] = deque()
        self._reader, self._writer = socket.socketpair()

    def fileno(self) -> int:
        """Readable while something waits."""
        return self._reader.fileno()

    def put(self, delivery: Delivery) -> None:
        """Add one; wakes whoever sleeps on `fileno`."""
        with self._lock:
            if not self._deliveries:
                self._writer.send(b"!")
            self._deliveries.append(delivery)

    def take(self) -> Delivery | None:
        """The oldest, or None. Never waits."""
        with self._lock:
            if not self._deliveries:
                return None
            if len(self._deliveries) == 1:
                self._reader.recv(1)
            return self._deliveries.popleft()

    def take_all(self) -> list[Delivery]:
        """Everything, oldest first."""
        taken = []
        while (delivery := self.take()) is not None:
            taken.append(delivery)
        return taken

    def close(self) -> None:
        """Idempotent. Nothing is put or taken afterwards."""
        with self._lock:
            self._deliveries.clear()
            self._reader.close()
            self._writer.close()
