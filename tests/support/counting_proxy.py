"""A TCP proxy on loopback that counts what clients send, and can hold it, or the answers to it, back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

CHUNK_BYTES = 64 << 10


class CountingProxy:
    """Forwards to 127.0.0.1:`port`. A context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._counts, self._asks = threading.Lock(), threading.Lock()
        self._is_closing = False
        self._release = threading.Event()
        self.sent_bytes = 0
        """By clients, in all connections together."""
        self.hold_from: int | None = None
        """From this byte on nothing is forwarded until `release`."""
        self.keeps_answers: Callable[[], bool] = lambda: False
        """Whether no answer comes through from now on, until `release`; asked before each piece of one."""
        self.holds = threading.Event()
        self.alters: Callable[[bytes], bytes] = lambda data: data
        """What becomes of a piece that a client sends."""

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self._server.getsockname()[1]
        return number

    def release(self) -> None:
        """Forward everything again, of the connections to come; those that were held are cut."""
        self.hold_from, self.keeps_answers = None, lambda: False
        self._release.set()

    def __enter__(self) -> CountingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        self.release()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                if self._is_closing:
                    return
                continue
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if self._is_held(len(data)) if is_counted else self._is_kept():
                    self.holds.set()
                    self._release.wait()
                    break
                target.sendall(self.alters(data) if is_counted else data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_held(self, count: int) -> bool:
        with self._counts:
            self.sent_bytes += count
            return self.hold_from is not None and self.sent_bytes >= self.hold_from

    def _is_kept(self) -> bool:
        with self._asks:
            return self.keeps_answers()
