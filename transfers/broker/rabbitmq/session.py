"""One connection with one channel, from its first byte to its last.

pika's SelectConnection is used everywhere: it reports a channel that the server closed (an ack too late, a queue
declared differently) and a consumer that it cancelled (queue deleted) by callback, where the loop around
`BlockingConnection.process_data_events` hears nothing and stays deaf. Each of these ends the session, and the next
one declares the queues anew.

A queue that was deleted is not declared again for a second. RabbitMQ (3.10.8 measured) cancels the consumers of a
deleted quorum queue some 40 ms later, and never if the queue is there again by then: those consumers stay deaf. So
do some that come while a killed server still recovers its queues. Only a new channel helps, hence `renew_channel`.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pika import SelectConnection
from pika.adapters.select_connection import IOLoop
from pika.exceptions import ChannelClosedByBroker

from transfers.broker.rabbitmq.address import CONNECT_SECONDS, Address
from transfers.broker.rabbitmq.queues import Queues

READY_SECONDS = 2 * CONNECT_SECONDS
CLOSE_SECONDS = 2.0
NOT_FOUND = 404

log = logging.getLogger(__name__)


class QueueDeleted(Exception):
    """The server has no such queue, or cancelled our consumer, or returned our message."""


class NotReadyInTime(Exception):
    """Connected, but the server did not declare the queues in time."""


class Closed(Exception):
    """We ended it ourselves."""


class Session:
    """`run` lends the calling thread to the connection; all callbacks come on that thread.

    Other threads use `call` and nothing else."""

    channel: Any = None

    def __init__(self, address: Address, queues: Queues, *, number: int, on_ready: Callable[[Session], None]) -> None:
        self.number = number
        self.queues = queues
        self._address = address
        self._on_ready = on_ready
        self._loop = IOLoop()
        self._lock = threading.Lock()
        self._is_over = False
        self._end_reason: BaseException | None = None
        self._retired_channel: Any = None
        self._deadline: Any = None

    def run(self) -> BaseException:
        """Connect, declare the queues, tell `on_ready`, serve until the end; returns the reason for the end."""
        try:
            self._expect_ready()
            self.connection = SelectConnection(
                self._address.parameters(),
                on_open_callback=self._on_open,
                on_open_error_callback=self._on_closed,
                on_close_callback=self._on_closed,
                custom_ioloop=self._loop,
            )
            self._loop.start()
        except Exception as error:  # a mistake in a callback must not take the thread along
            if not (was_reset := _was_reset_at_once(error)):
                log.exception("RabbitMQ connection ended by an unexpected error")
            self._end_reason = was_reset or error
        finally:
            with self._lock:
                self._is_over = True
                self._loop.close()
        return self._end_reason or Closed()

    def call(self, work: Callable[[], None]) -> None:
        """From any thread: do `work` on the session's own, or drop it if the session is over."""
        with self._lock:
            if not self._is_over:
                self._loop.add_callback_threadsafe(work)

    def end(self, reason: BaseException) -> None:
        """Close politely, waiting no longer than CLOSE_SECONDS for the answer. `run` returns the first reason."""
        if self._end_reason is not None:
            return
        self._end_reason = reason
        self._loop.call_later(CLOSE_SECONDS, self._cut)
        if not (self.connection.is_closing or self.connection.is_closed):
            self.connection.close()

    def call_later(self, seconds: float, work: Callable[[], None]) -> None:
        """Forgotten when the session ends first."""
        self._loop.call_later(seconds, work)

    def renew_channel(self) -> None:
        """Replace the channel by a new one and tell `on_ready` again. What was not acked goes back to the queue."""
        self._expect_ready()
        self._retired_channel = self.channel
        self.channel.close()
        self.connection.channel(on_open_callback=self._on_channel)

    def count_waiting(self, on_count: Callable[[int], None]) -> None:
        """Ask for the number of hints in the queue. Declares nothing: a queue that is not there ends the session."""
        self.channel.queue_declare(
            self.queues.tasks, passive=True, callback=lambda frame: on_count(frame.method.message_count)
        )

    def _expect_ready(self) -> None:
        self._deadline = self._loop.call_later(READY_SECONDS, partial(self.end, NotReadyInTime()))

    def _on_open(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(lambda frame: self.end(QueueDeleted()))
        declare = partial(channel.queue_declare, durable=True)
        declare(self.queues.dead, arguments=self.queues.dead_arguments, callback=lambda frame: None)
        declare(self.queues.tasks, arguments=self.queues.tasks_arguments, callback=self._on_declared)

    def _on_declared(self, frame: Any) -> None:
        self._loop.remove_timeout(self._deadline)
        self._on_ready(self)

    def _on_channel_closed(self, channel: Any, reason: BaseException) -> None:
        if channel is self._retired_channel:
            return
        is_not_found = isinstance(reason, ChannelClosedByBroker) and reason.reply_code == NOT_FOUND
        self.end(QueueDeleted() if is_not_found else reason)

    def _cut(self) -> None:
        """The server does not answer to our close. pika has no public way to let go of the socket."""
        if not self.connection.is_closed:
            self.connection._terminate_stream(Closed())

    def _on_closed(self, connection: Any, reason: BaseException) -> None:
        self._end_reason = self._end_reason or reason
        self._loop.stop()


def _was_reset_at_once(error: Exception) -> ConnectionResetError | None:
    """pika takes a socket that was reset between its connecting and pika's next look for a mistake of its caller."""
    if isinstance(error, ValueError) and "getpeername() failed" in str(error):
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return None
