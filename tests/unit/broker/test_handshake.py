"""A server that ends the connection before it let us in: what is wrong is said only if the server said so."""

import errno
import os
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from transfers.broker.errors import BrokerMisconfigured, BrokerUnavailable
from transfers.broker.registry import open_broker


def frame(method, arguments):
    payload = struct.pack(">HH", *method) + arguments
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"


def long_text(text):
    return struct.pack(">I", len(text)) + text


START = frame((10, 10), b"\x00\x09" + long_text(b"") + long_text(b"PLAIN") + long_text(b"en_US"))
TUNE = frame((10, 30), struct.pack(">HIH", 2047, 131072, 60))


def close(code, text):
    return frame((10, 50), struct.pack(">HB", code, len(text)) + text + bytes(4))


@contextmanager
def server(*says):
    """An address; whoever connects is told one thing for each that it says, then its connection is reset."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection = listening.accept()[0]
            for word in says:
                connection.recv(4096)
                connection.sendall(word)
            connection.recv(4096)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"amqp://ann:wrong@127.0.0.1:{listening.getsockname()[1]}/photos"
        thread.join()


def told(kind, *says):
    with server(*says) as url, pytest.raises(kind) as refused, open_broker(url, queue_prefix="x") as broker:
        broker.probe()
    assert "wrong" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("says", [(START,), (START, TUNE)], ids=["at the login", "at the virtual host"])
def test_a_reset_is_no_wrong_password_and_no_missing_virtual_host(says):
    text = told(BrokerUnavailable, *says)
    assert text.endswith("ended the connection before it let us in: the connection was cut")


def test_nor_is_a_server_that_shuts_down_or_takes_no_more_connections():
    text = told(BrokerUnavailable, START, close(320, b"CONNECTION_FORCED - broker's 'node' is shut down"))
    assert "is shut down" in text
    text = told(BrokerUnavailable, START, TUNE, close(530, b"NOT_ALLOWED - connection limit (5) is reached"))
    assert "connection limit (5) is reached" in text


def test_what_the_server_says_is_believed():
    text = told(BrokerMisconfigured, START, close(403, b"ACCESS_REFUSED - Login was refused"))
    assert text.endswith("refused user and password: correct them in BROKER_URL")
    text = told(BrokerMisconfigured, START, TUNE, close(530, b"NOT_ALLOWED - vhost photos not found"))
    assert "has no virtual host 'photos' for user 'ann'" in text


def test_a_connection_reset_before_anything_was_said_is_an_outage_and_no_mistake_of_ours(monkeypatch, caplog):
    def was_reset(self):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(socket.socket, "getpeername", was_reset)
    assert "Connection reset by peer" in told(BrokerUnavailable)
    assert not [record for record in caplog.records if record.name.startswith("transfers") and record.exc_info]
