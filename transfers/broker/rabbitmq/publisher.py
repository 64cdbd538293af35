"""Hints into the queue, every one confirmed, the confirms in a pipeline.

Waiting for each confirm before sending the next message costs a round trip and a disk flush apiece; sent in one go,
thousands a second are confirmed. All is `mandatory`, for without it a message for a deleted queue vanishes with a
positive confirm.

A server that is low on memory or disk says `connection.blocked` and reads nothing more. `publish` then refuses at once,
and the connection stays, since it hears first that the alarm is over. pika's `blocked_connection_timeout` is meant
for callers who would otherwise wait in silence; it would only cut and make that connection anew, for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import takewhile
from typing import Any

import pika
from pika.spec import Basic

from transfers.broker.base import Hint
from transfers.broker.errors import BrokerError, BrokerUnavailable
from transfers.broker.messages import CONTENT_TYPE, encode
from transfers.broker.rabbitmq.address import Address
from transfers.broker.rabbitmq.explain import explain
from transfers.broker.rabbitmq.link import Link
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.rabbitmq.session import QueueDeleted, Session

ANSWER_SECONDS = 5.0
"""A caller waits no longer than this for a connection, and once more for the answer."""
PERSISTENT = 2

log = logging.getLogger(__name__)


class Batch:
    """The messages of one `publish` and who waits for their answers."""

    def __init__(self, bodies: Sequence[bytes], answer: Future[int]) -> None:
        self.bodies = bodies
        self._answer = answer
        self._is_confirmed = [False] * len(bodies)
        self._unanswered = len(bodies)
        self._error: BrokerError | None = None

    def settle(self, index: int, error: BrokerError | None) -> None:
        """The server answered for one message; after the last one the caller goes on."""
        self._is_confirmed[index] = error is None
        self._error = self._error or error
        self._unanswered -= 1
        if self._unanswered == 0:
            count = sum(1 for _ in takewhile(bool, self._is_confirmed))
            answer_with(self._answer, count or self._error or 0)


class Publisher:
    """What is known about a session (tags, batches, questions) belongs to the link's thread."""

    def __init__(self, address: Address, queues: Queues) -> None:
        self.link = Link(address, queues, on_ready=self._begin, on_lost=self._abandon)
        self._address = address
        self._queues = queues
        self._refusal: BrokerError | None = None
        self._last_tag = 0
        self._awaited: dict[int, tuple[Batch, int]] = {}
        self._questions: set[Future[int]] = set()

    def publish(self, hints: Sequence[Hint]) -> int:
        """See `Broker.publish`."""
        bodies = [encode(hint) for hint in hints]
        return self._ask(lambda session, answer: self._send(session, Batch(bodies, answer))) if bodies else 0

    def pending(self) -> int:
        """Hints that wait in the queue; raises BrokerError."""
        return self._ask(lambda session, answer: session.count_waiting(partial(answer_with, answer)))

    def close(self) -> None:
        """Idempotent."""
        self.link.close()

    def _ask(self, question: Callable[[Session, Future[int]], None]) -> int:
        """Let the link's thread work on `question` and wait for the answer; raises BrokerError if none comes."""
        self.link.start("rabbitmq-publisher")
        self.link.wait_until_ready(ANSWER_SECONDS)
        if self._refusal:
            raise self._refusal
        answer: Future[int] = Future()
        self.link.call(partial(self._begin_question, question=question, answer=answer))
        try:
            return answer.result(ANSWER_SECONDS)
        except TimeoutError:
            raise BrokerUnavailable(f"RabbitMQ at {self._address} gave no answer for {ANSWER_SECONDS:.0f} s") from None

    def _begin_question(
        self, session: Session, question: Callable[[Session, Future[int]], None], answer: Future[int]
    ) -> None:
        if not session.channel.is_open:
            answer_with(answer, BrokerUnavailable(f"the connection to RabbitMQ at {self._address} is closing"))
            return
        self._questions.add(answer)
        answer.add_done_callback(self._questions.discard)
        question(session, answer)

    def _begin(self, session: Session) -> None:
        self._last_tag = 0
        session.connection.add_on_connection_blocked_callback(self._on_blocked)
        session.connection.add_on_connection_unblocked_callback(self._on_unblocked)
        session.channel.add_on_return_callback(partial(self._on_return, session))
        session.channel.confirm_delivery(self._on_confirm)

    def _abandon(self, error: BrokerError) -> None:
        self._refusal = None
        self._awaited.clear()
        self._fail_questions(error)

    def _fail_questions(self, error: BrokerError) -> None:
        for answer in list(self._questions):
            answer_with(answer, error)

    def _send(self, session: Session, batch: Batch) -> None:
        properties = pika.BasicProperties(content_type=CONTENT_TYPE, delivery_mode=PERSISTENT)
        for index, body in enumerate(batch.bodies):
            self._last_tag += 1  # counts as the server does, from 1 on each channel
            self._awaited[self._last_tag] = (batch, index)
            session.channel.basic_publish("", session.queues.tasks, body, properties, mandatory=True)

    def _on_confirm(self, frame: Any) -> None:
        last = frame.method.delivery_tag
        tags = [tag for tag in self._awaited if tag <= last] if frame.method.multiple else [last]
        for tag in tags:
            if tag not in self._awaited:
                continue
            batch, index = self._awaited.pop(tag)
            batch.settle(index, None if isinstance(frame.method, Basic.Ack) else self._nacked())

    def _nacked(self) -> BrokerError:
        return BrokerUnavailable(f"the queue {self._queues.tasks} at {self._address} takes no messages now")

    def _on_return(self, session: Session, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """No queue took it; the ack that follows means nothing."""
        self._abandon(explain(QueueDeleted(), self._address, self._queues))
        session.end(QueueDeleted())

    def _on_blocked(self, connection: Any, frame: Any) -> None:
        self._refusal = BrokerUnavailable(f"RabbitMQ at {self._address} refuses messages: {frame.method.reason}")
        log.warning("%s. No work is lost; it goes on through the database.", self._refusal)
        self._fail_questions(self._refusal)

    def _on_unblocked(self, connection: Any, frame: Any) -> None:
        self._refusal = None
        log.warning("RabbitMQ at %s takes messages again", self._address)


def answer_with(answer: Future[int], value: int | BrokerError) -> None:
    """The first answer counts: a confirm may still come when the caller was told of an outage."""
    if answer.done():
        return
    if isinstance(value, BrokerError):
        answer.set_exception(value)
    else:
        answer.set_result(value)
