"""An HTTP proxy on loopback that notes what clients ask, and can answer itself, alter bodies and lose answers."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

from tests.support.cut_server import CutServer

PER_CONNECTION = {"transfer-encoding", "connection", "keep-alive", "server", "date"}


class Asked(NamedTuple):
    """One request. Names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class HttpProxy:
    """Forwards to 127.0.0.1:`target_port`. A context manager."""

    target_port: int
    answers: Callable[[Asked], Answer | None] = field(default=lambda asked: None)
    """An answer instead of the true one, before anything happens."""
    alters: Callable[[Asked], bytes] = field(default=lambda asked: asked.body)
    """What becomes of a body on its way."""
    loses: Callable[[Asked, int], bool] = field(default=lambda asked, status: False)
    """True: the connection is closed instead of an answer of that status."""
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> HttpProxy:
        self._server = CutServer(("127.0.0.1", 0), type("_Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Idempotent, and does not wait for clients that keep their connections."""
        self._server.shutdown()
        self._server.cut()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def forward(self, asked: Asked) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.target_port, timeout=20)
        try:
            body = self.alters(asked)
            headers = {name: value for name, value in asked.headers.items() if name not in PER_CONNECTION}
            headers |= {"date": asked.headers["date"]} if "date" in asked.headers else {}
            connection.request(asked.method, asked.target, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


def once(condition: Callable[..., object]) -> Callable[..., bool]:
    """True the first time that `condition` is; for what befalls one request, and not its repetition."""
    told = itertools.count()
    return lambda *args: bool(condition(*args)) and next(told) == 0


class _Handler(BaseHTTPRequestHandler):
    proxy: HttpProxy
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(ConnectionError):  # of a client that was killed
            super().handle()

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length") or 0)))
        self.proxy.asked.append(asked)
        answer = self.proxy.answers(asked) or self.proxy.forward(asked)
        if self.proxy.loses(asked, answer.status):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, *args: object) -> None:
        pass

    def _reply(self, answer: Answer) -> None:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in PER_CONNECTION}
        if self.command != "HEAD":
            kept = {name: value for name, value in kept.items() if name.lower() != "content-length"}
            kept["Content-Length"] = str(len(answer.body))
        with suppress(OSError):
            self.send_response_only(answer.status, http.client.responses.get(answer.status, "Other"))
            for name, value in kept.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.body)
