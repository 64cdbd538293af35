"""One POST, signed as https://www.standardwebhooks.com says, to exactly the address that was named.

Redirects are not followed (they would lead around the operator's list), no proxy is used, nothing of the answer is
read but its status, and after `DEADLINE_SECONDS` the connection is closed whatever the other side does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from django.conf import settings

from jobs.notifications import NotDelivered

#: Of each step of a connection, and of all of it.
STEP_SECONDS, DEADLINE_SECONDS = 5.0, 10.0
SECRET_PREFIX = "whsec_"


def post(url: str, *, uid: str, payload: bytes) -> None:
    """Deliver; raises NotDelivered unless the answer is 2xx in time."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = _connection(parts.scheme, str(parts.hostname), parts.port)
    except ValueError as error:
        raise NotDelivered("the URL has no valid port") from error
    try:
        with _deadline(connection):
            connection.request("POST", target, payload, _headers(uid, payload))
            status = connection.getresponse().status
    except (OSError, HTTPException, UnicodeError) as error:  # UnicodeError: a host name with an empty or overlong label
        raise NotDelivered(f"{type(error).__name__}: no answer in time or none that is HTTP") from error
    finally:
        connection.close()
    if 300 <= status < 400:
        raise NotDelivered(f"HTTP {status}: redirects are not followed")
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP {status}")


def _connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=STEP_SECONDS, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=STEP_SECONDS)


@contextmanager
def _deadline(connection: HTTPConnection) -> Iterator[None]:
    """A peer that sends a byte now and then never runs into the time-out of a single step. Raises NotDelivered."""
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(DEADLINE_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if is_over.is_set():
        raise NotDelivered(f"no whole answer within {DEADLINE_SECONDS:g} s")


def _headers(uid: str, payload: bytes) -> dict[str, str]:
    timestamp = int(time.time())
    return {
        "Content-Type": "application/json",
        "User-Agent": "SyncF",
        "webhook-id": uid,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(settings.WEBHOOK_SECRET, uid, timestamp, payload),
    }


def sign(secret: str, uid: str, timestamp: int, payload: bytes) -> str:
    """`v1,` and the HMAC-SHA-256 of id, time and body, in base64. `secret` is `whsec_` and base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{uid}.{timestamp}.".encode() + payload
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
