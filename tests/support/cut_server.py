"""An HTTP server whose connections a test can cut."""

import socket
from contextlib import suppress
from http.server import ThreadingHTTPServer


class CutServer(ThreadingHTTPServer):
    """Waits for its threads when it is closed, so its connections have to be cut before."""

    request_queue_size = 64
    daemon_threads = False

    def __init__(self, *args) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request, client_address) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """End the connections that are open."""
        for connection in self._connections.copy():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
