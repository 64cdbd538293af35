"""A thread that keeps a session to RabbitMQ up, for ever."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator

from transfers.broker.errors import BrokerError, BrokerUnavailable
from transfers.broker.rabbitmq.address import Address
from transfers.broker.rabbitmq.explain import explain
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.rabbitmq.session import CLOSE_SECONDS, Closed, QueueDeleted, Session

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
REDECLARE_DELAY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Link:
    """Reconnects after every end of a session. One log line per outage, one when it is over.

    `on_ready` runs on the link's thread whenever a session has a new channel and its queues, `on_lost` when it has
    ended."""

    def __init__(
        self,
        address: Address,
        queues: Queues,
        *,
        on_ready: Callable[[Session], None],
        on_lost: Callable[[BrokerError], None],
    ) -> None:
        self._address = address
        self._queues = queues
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._is_ready = False
        self._is_closing = False
        self._failure: BrokerError | None = None
        self._failed_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Connected, with the queues declared."""
        return self._is_ready

    def start(self, name: str) -> None:
        """Idempotent; returns at once."""
        with self._changed:
            if self._thread is None and not self._is_closing:
                self._thread = threading.Thread(target=self._keep_connected, name=name, daemon=True)
                self._thread.start()

    def wait_until_ready(self, seconds: float) -> Session:
        """The session there is or that the attempt under way makes; raises what is wrong as soon as that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._failure or self._is_closing, seconds)
            if self._is_ready and self._session:
                return self._session
            raise self._failure or BrokerUnavailable(f"RabbitMQ at {self._address} does not answer")

    def call(self, work: Callable[[Session], None]) -> None:
        """Do `work` on the link's thread with the session that is ready now; without one nothing happens."""
        with self._changed:
            session = self._session if self._is_ready else None
        if session:
            session.call(lambda: work(session))

    def close(self) -> None:
        """Work handed to `call` before is still done. Idempotent."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            session, thread = self._session, self._thread
        if session:
            session.call(lambda: session.end(Closed()))
        if thread:
            thread.join(2 * CLOSE_SECONDS)

    def _keep_connected(self) -> None:
        delays = _delays()
        for number in range(1, 1 << 62):
            started = time.monotonic()
            reason = self._serve(number)
            if time.monotonic() - started > LONGEST_DELAY_SECONDS:
                delays = _delays()
            delay = REDECLARE_DELAY_SECONDS if isinstance(reason, QueueDeleted) else next(delays)
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closing, delay):
                    return

    def _serve(self, number: int) -> BaseException:
        with self._changed:
            if self._is_closing:
                return Closed()
            session = Session(self._address, self._queues, number=number, on_ready=self._ready)
            self._session = session
        reason = session.run()
        with self._changed:
            self._session, self._is_ready = None, False
        self._lost(explain(reason, self._address, self._queues))
        return reason

    def _ready(self, session: Session) -> None:
        if self._failure:
            log.warning("RabbitMQ at %s: works again after %.0f s", self._address, time.monotonic() - self._failed_at)
        self._on_ready(session)
        with self._changed:
            self._is_ready, self._failure = True, None
            self._changed.notify_all()

    def _lost(self, error: BrokerError) -> None:
        self._on_lost(error)
        with self._changed:
            if not self._is_closing and type(error) is not type(self._failure):
                log.warning("%s. No work is lost; it goes on through the database, and we keep trying.", error)
                self._failed_at = self._failed_at if self._failure else time.monotonic()
            self._failure = error
            self._changed.notify_all()


def _delays() -> Iterator[float]:
    """Seconds to wait before each next attempt: doubled up to a limit, scattered so that slaves come apart."""
    delay = FIRST_DELAY_SECONDS
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(delay * 2, LONGEST_DELAY_SECONDS)
