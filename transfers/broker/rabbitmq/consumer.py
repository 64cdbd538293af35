"""Hints from the queue into an inbox, one at a time."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import Any

from transfers.broker.base import Delivery
from transfers.broker.errors import BrokerError, MalformedMessage
from transfers.broker.inbox import Inbox
from transfers.broker.messages import decode
from transfers.broker.rabbitmq.address import Address
from transfers.broker.rabbitmq.link import Link
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.rabbitmq.session import Session

RENEW_SECONDS = 60.0
"""An idle consumer takes a new channel this often, so that whatever made the server forget it passes."""

log = logging.getLogger(__name__)


class Consumer:
    """Prefetch 1, and no consumer at all while paused: a busy slave holds no hint that another could use.

    What is known about a session (consumer tag, unacked deliveries) belongs to the link's thread."""

    def __init__(self, address: Address, queues: Queues) -> None:
        self.inbox = Inbox()
        self.link = Link(address, queues, on_ready=self._begin, on_lost=self._forget)
        self._is_paused = False
        self._consumer_tag: str | None = None
        self._unacked: set[Delivery] = set()

    def receive(self) -> Delivery | None:
        """The hint that has arrived, if any."""
        return None if self._is_paused else self.inbox.take()

    def ack(self, delivery: Delivery) -> None:
        """Dropped if the connection that delivered it is gone: the server has given the hint to somebody else."""
        self.link.call(partial(self._ack, delivery=delivery))

    def pause(self) -> None:
        """See `Broker.pause_consuming`."""
        self._is_paused = True
        self.link.call(self._follow)

    def resume(self) -> None:
        """See `Broker.resume_consuming`."""
        self._is_paused = False
        self.link.call(self._follow)

    def close(self) -> None:
        """Acks under way still reach the server. Idempotent."""
        self.link.close()
        self.inbox.close()

    def _begin(self, session: Session) -> None:
        self._consumer_tag = None
        session.channel.basic_qos(prefetch_count=1)
        session.call_later(RENEW_SECONDS, partial(self._renew_if_idle, session, session.channel))
        self._follow(session)

    def _forget(self, error: BrokerError) -> None:
        self._unacked.clear()
        self.inbox.take_all()

    def _follow(self, session: Session) -> None:
        """Bring the session to what the caller wants: consuming or paused."""
        if not session.channel.is_open:
            return
        if self._is_paused and self._consumer_tag:
            session.channel.basic_cancel(self._consumer_tag, callback=lambda frame: None)
            self._consumer_tag = None
            self._give_back(session.channel)
        elif not self._is_paused and not self._consumer_tag:
            on_message = partial(self._on_message, session)
            self._consumer_tag = session.channel.basic_consume(session.queues.tasks, on_message)

    def _renew_if_idle(self, session: Session, channel: Any) -> None:
        if self._consumer_tag and not self._unacked and channel.is_open:
            session.renew_channel()
        else:
            session.call_later(RENEW_SECONDS, partial(self._renew_if_idle, session, channel))

    def _on_message(self, session: Session, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if channel is not session.channel or not channel.is_open:
            return  # the channel is being closed, and with that the message goes back
        try:
            hint = decode(body)
        except MalformedMessage as error:
            digest = hashlib.sha256(body).hexdigest()[:16]
            log.warning("a message of %d bytes (sha256 %s…) is no hint (%s): dead-lettered", len(body), digest, error)
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        delivery = Delivery(hint, session.number, method.delivery_tag)
        self._unacked.add(delivery)
        self.inbox.put(delivery)

    def _ack(self, session: Session, delivery: Delivery) -> None:
        if session.number == delivery.connection and delivery in self._unacked and session.channel.is_open:
            self._unacked.remove(delivery)
            session.channel.basic_ack(delivery.tag)

    def _give_back(self, channel: Any) -> None:
        for delivery in self.inbox.take_all():
            self._unacked.remove(delivery)
            channel.basic_reject(delivery.tag, requeue=True)
