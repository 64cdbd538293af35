"""Many talks with a service, led by one thread.

A thread for each of sixteen requests costs Python more than the requests do: futures, locks, and the interpreter handed
to and fro. Here nothing moves but while the caller waits for something. Then all that is here is
read, and what comes next is asked for; meanwhile the service and the network go on by themselves.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Generic, NamedTuple, TypeVar

from storage_backends.objects.connection import READ_SECONDS
from storage_backends.objects.http import Answer, Ask, Exchange, Http, Talk

T = TypeVar("T")


class _UnderWay(NamedTuple):
    name: bytes
    talk: Talk[Any]
    exchange: Exchange


class Talks(Generic[T]):
    """Talks by name, of one thread. So many of them have a request under way."""

    def __init__(self, http: Http, most: int, threads: Callable[[], Executor]) -> None:
        """`threads` open connections."""
        self._http, self._most, self._threads = http, most, threads
        self._is_connected = False
        self._waiting: deque[tuple[bytes, Talk[T]]] = deque()
        self._under_way: dict[int, _UnderWay] = {}
        self._results: dict[bytes, T | Exception] = {}
        self._poll = select.poll()

    def add(self, name: bytes, talk: Talk[T]) -> None:
        """It begins when something is waited for and there is room."""
        self._waiting.append((name, talk))

    def take(self, name: bytes) -> T:
        """What came of one that was added; waits. Raises what the talk raised."""
        while name not in self._results:
            self._begin_more()
            if self._under_way:
                self._wait()
        result = self._results.pop(name)
        if isinstance(result, Exception):
            raise result
        return result

    def forget(self) -> None:
        """All of them."""
        for each in self._under_way.values():
            self._poll.unregister(each.exchange)
            each.exchange.give_up()
        for every in (self._waiting, self._under_way, self._results):
            every.clear()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_more(self) -> None:
        asks = list[tuple[bytes, Talk[T], Ask]]()
        while self._waiting and len(self._under_way) + len(asks) < self._most:
            name, talk = self._waiting.popleft()
            if ask := self._next(name, talk, None):
                asks.append((name, talk, ask))
        if len(asks) > 1 and not self._is_connected:
            self._is_connected = True
            self._http.open_many(len(asks), self._threads())
        for each in asks:
            self._send(*each)

    def _wait(self) -> None:
        """Until something is here; all of it is read. After a long silence nothing more is expected."""
        ready = [fd for fd, _ in self._poll.poll(READ_SECONDS * 1000)]
        for fd in ready or list(self._under_way):
            name, talk, exchange = self._under_way.pop(fd)
            self._poll.unregister(fd)
            answer = exchange.finish() if ready else None
            if answer is None:
                exchange.give_up()
            if ask := self._next(name, talk, answer):
                self._send(name, talk, ask)

    def _next(self, name: bytes, talk: Talk[T], answer: Answer | None) -> Ask | None:
        """What it asks for next; None if it is over."""
        try:
            return talk.send(answer)
        except StopIteration as end:
            self._results[name] = end.value
        except Exception as error:
            self._results[name] = error
        return None

    def _send(self, name: bytes, talk: Talk[T], ask: Ask | None) -> None:
        while ask:
            if exchange := self._http.begin(ask):
                self._under_way[exchange.fileno()] = _UnderWay(name, talk, exchange)
                self._poll.register(exchange, select.POLLIN)
                return
            ask = self._next(name, talk, None)
