"""HTTP/1.1 for requests of our own: connections to one host, kept open and used by many threads.

A small object is one request of 4 KiB, for which urllib3 and http.client take three times as long as the kernel. This
knows only what the services' plain answers need, and has no errors: whatever is not as expected is no answer (None),
and the SDK asks again. The SDKs have connections of their own, and know of more than one kind of network.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from storage_backends.objects.connection import Body, Connection, Odd

PLAIN_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*", re.ASCII)
"""Keys of objects that every library sends as they are."""
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
NO_BODY = (204, 304)


class Ask(NamedTuple):
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Body = b""
    most_bytes: int | None = None
    """An answer with more is none."""


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; one that comes twice has both values, with a comma between."""
    data: bytes


T = TypeVar("T")
Talk = Generator[Ask, Answer | None, T]
"""Requests that belong together, one after the other, and what comes of them."""


def nothing() -> Talk[None]:
    """A talk that is over before it began."""
    yield from ()
    return None


class Exchange:
    """A request that was sent, and whose answer is read when the caller wants to wait for it."""

    def __init__(
        self, ask: Ask, connection: Connection, release: Callable[[Connection, Mapping[str, str]], None]
    ) -> None:
        self._ask, self._connection, self._release = ask, connection, release

    def fileno(self) -> int:
        """Readable when something of the answer is here."""
        return self._connection.fileno()

    def finish(self) -> Answer | None:
        """The answer, if it comes whole; the connection is free again."""
        connection, ask = self._connection, self._ask
        with suppress(OSError, Odd):
            try:
                status, told = connection.read_head()
                has_body = ask.method != "HEAD" and status not in NO_BODY
                data = connection.read_body(told, ask.most_bytes) if has_body else b""
            except BaseException:
                connection.close()
                raise
            self._release(connection, told)
            return Answer(status, told, data)
        return None

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        self._connection.close()


class Http:
    """One host. Closed connections are opened again."""

    def __init__(self, endpoint: str, connections: int) -> None:
        """So many are kept open while nobody uses them."""
        place = urlsplit(endpoint)
        self._origin, self._host = f"{place.scheme}://{place.netloc}", place.netloc
        self._address = (place.hostname or "", place.port or (443 if place.scheme == "https" else 80))
        self._context = _context() if place.scheme == "https" else None
        self._idle: list[Connection] = []
        self._most, self._lock = connections, threading.Lock()

    def request(self, method: str, url: str, headers: Mapping[str, str], body: Body = b"") -> Answer | None:
        """Ask once. None if no whole answer came."""
        return self.answer(Ask(method, url, headers, body))

    def answer(self, ask: Ask) -> Answer | None:
        """The same."""
        exchange = self.begin(ask)
        return exchange.finish() if exchange else None

    def lead(self, talk: Talk[T]) -> T:
        """Ask whatever it asks, until it is over."""
        answer = None
        try:
            while True:
                answer = self.answer(talk.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    def begin(self, ask: Ask) -> Exchange | None:
        """Send a request. None if it can't be sent."""
        with suppress(OSError, Odd):
            connection = self._connected()
            try:
                connection.send(self._head(ask.method, ask.url, ask.headers), ask.body)
            except BaseException:
                connection.close()
                raise
            return Exchange(ask, connection, self._release)
        return None

    def open_many(self, count: int, threads: Executor) -> None:
        """See to it that so many connections are open, made at the same time: far away each takes its time."""
        with self._lock:
            missing = min(count, self._most) - len(self._idle)
        for made in threads.map(self._opened, range(missing)):
            if made:
                self._release(made, {})

    def _opened(self, _: int) -> Connection | None:
        with suppress(OSError, Odd):
            return Connection(self._address, self._context)
        return None

    def fetch_into(self, url: str, headers: Mapping[str, str], buffer: memoryview) -> bool:
        """Ask for a range and fill `buffer` with it as it comes. False for any other answer than all of the range."""
        with suppress(OSError, Odd):
            connection = self._connected()
            try:
                connection.send(self._head("GET", url, headers), b"")
                status, told = connection.read_head()
                if status not in (200, 206) or told.get("content-length") != str(len(buffer)):
                    raise Odd
                if not _is_of_range(told, headers, len(buffer)):
                    raise Odd
                connection.read_into(buffer)
            except BaseException:
                connection.close()
                raise
            self._release(connection, told)
            return True
        return False

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _head(self, method: str, url: str, headers: Mapping[str, str]) -> bytes:
        if not url.startswith(f"{self._origin}/"):
            raise Odd
        own = {"host": self._host, "accept-encoding": "identity", "user-agent": "syncf"}
        all_headers = own | {name.lower(): value for name, value in headers.items()}
        lines = [f"{method} {url[len(self._origin) :]} HTTP/1.1", *map(": ".join, all_headers.items())]
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise Odd
        return "\r\n".join([*lines, "", ""]).encode()

    def _connected(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return Connection(self._address, self._context)
            if not connection.was_dropped():
                return connection
            connection.close()

    def _release(self, connection: Connection, told: Mapping[str, str]) -> None:
        with self._lock:
            stays = told.get("connection", "").lower() != "close" and len(self._idle) < self._most
            if stays:
                self._idle.append(connection)
        if not stays:
            connection.close()


def _is_of_range(told: Mapping[str, str], headers: Mapping[str, str], length: int) -> bool:
    """Whether an answer of that length is the range that was asked for with `headers`."""
    wanted = [value for name, value in headers.items() if name.lower() in ("range", "x-ms-range")]
    return not any(other_range(span.removeprefix("bytes="), told.get("content-range", ""), length) for span in wanted)


def other_range(span: str, told: str, answer_bytes: int) -> str:
    """Why an answer that says `told` of itself ("bytes 0-99/200", or nothing) has not the bytes `span` ("0-99"), in
    words; empty if it has. A span that is the whole object may be answered as if none had been asked for."""
    if told.partition("/")[0] == f"bytes {span}" if told else span == f"0-{answer_bytes - 1}":
        return ""
    return (
        f"asked for the bytes {span}, and other ones come; "
        "what answers, or stands before it, has to understand the header Range"
    )


def pool(endpoint: str, connections: int) -> Http | None:
    """None where a proxy stands in between or the environment names authorities of its own: both are the SDK's
    business."""
    place = urlsplit(endpoint)
    is_proxied = place.scheme in getproxies() and not proxy_bypass(place.netloc)
    has_authorities = place.scheme == "https" and any(os.environ.get(name) for name in BUNDLES)
    if is_proxied or has_authorities or place.scheme not in ("http", "https"):
        return None
    with suppress(ImportError):  # without the SDK's list of authorities; it tells for itself what is broken
        return Http(endpoint, connections)
    return None


def _context() -> ssl.SSLContext:
    """Of the authorities that the SDKs believe."""
    from certifi import where

    context = ssl.create_default_context(cafile=where())
    context.set_alpn_protocols(["http/1.1"])
    return context
