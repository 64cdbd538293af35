"""An Azure service that fails, throttles, breaks off, is slow, gone or not there."""

import socket
import threading
import time
from contextlib import suppress

import pytest
from azure.core.exceptions import AzureError

from storage_backends import errors
from storage_backends.registry import open_storage
from tests.conformance.storage.places import begin, content, partial, put
from tests.integration.storage_backends.blobs import DATA
from tests.support.azure import azurite_port, storage_url
from tests.support.http_proxy import Answer, once


def test_a_service_that_fails_for_a_moment_is_asked_again(azure, azure_proxy):
    failures = iter([500, 503])
    azure_proxy.answers = lambda asked: (status := next(failures, None)) and Answer(status, {})
    put(azure, b"f")
    assert content(azure, b"f") == b"data"


def test_a_service_that_is_busy_says_for_how_long_after_a_few_tries(azure, azure_proxy):
    busy = Answer(503, {"x-ms-error-code": "ServerBusy", "Retry-After": "17"})
    azure_proxy.answers = lambda asked: busy
    with pytest.raises(errors.Throttled, match="ServerBusy") as caught:
        put(azure, b"f")
    assert caught.value.retry_after_seconds == 17
    assert len(azure_proxy.asked) == 1 + 4
    assert isinstance(caught.value.__cause__, AzureError)


def test_a_service_that_is_gone_is_unreachable(azure, azure_proxy):
    put(azure, b"f")
    azure_proxy.__exit__()
    for ask in (lambda: azure.get_file_info(b"f"), lambda: list(azure.list_files()), lambda: content(azure, b"f")):
        with pytest.raises(errors.Unreachable):
            ask()


def test_an_answer_that_breaks_off_is_asked_for_again(azure, azure_proxy):
    put(azure, b"f", DATA[:100_000])
    is_cut = once(lambda asked: asked.method == "GET" and "restype" not in asked.target)

    def answers(asked):
        if is_cut(asked):
            true = azure_proxy.forward(asked)
            return true._replace(body=true.body[:1000])
        return None

    azure_proxy.answers = answers
    assert azure.read_whole(b"f", 100_000)[1] == DATA[:100_000]


def test_a_slow_line_is_not_taken_for_a_dead_one(azure_container, azure_url, monkeypatch):
    monkeypatch.setattr("storage_backends.azure.transport.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("storage_backends.azure.client.RETRIES", 0)
    with SlowLine(azurite_port()) as line:
        storage = open_storage(storage_url(azure_container, line.port))
        started = time.monotonic()
        put(storage, b"f", DATA[: 8 << 20])
        assert time.monotonic() - started > 1
        storage.close()


class SlowLine:
    """Forwards 64 KiB at a time to a port, with pauses."""

    def __init__(self, target):
        self._target = target
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self._server.bind(("127.0.0.1", 0))
        self._server.listen()
        self.port = self._server.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._forward, args=(client, server, 0.02), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, 0), daemon=True).start()

    def _forward(self, source, target, pause):
        with suppress(OSError):
            while data := source.recv(64 << 10):
                target.sendall(data)
                time.sleep(pause)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.parametrize("does", ["probe", "list", "write", "upload", "read", "delete"])
def test_a_missing_container_is_a_mistake_of_the_configuration(azure_proxy, azure_url, does):
    storage = open_storage(storage_url("no-such-container", azure_proxy.port))
    acts = {
        "probe": storage.probe,
        "list": lambda: list(storage.list_files()),
        "write": lambda: put(storage, b"f"),
        "upload": lambda: begin(storage, b"f", DATA, partial()),
        "read": lambda: content(storage, b"f"),
        "delete": lambda: storage.delete_file(b"f"),
    }
    with pytest.raises(errors.ConfigurationError, match=r"'no-such-container'.*create the container"):
        acts[does]()
    storage.close()
