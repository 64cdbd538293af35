"""The broker URL: ``amqp[s]://user:password@host[:port][/vhost][?queue_type=quorum|classic]``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import pika

from transfers.broker.errors import BrokerMisconfigured

HEARTBEAT_SECONDS = 10
SOCKET_SECONDS = 3.0
CONNECT_SECONDS = 5.0
QUEUE_TYPES = ("quorum", "classic")


@dataclass(frozen=True)
class Address:
    """Where RabbitMQ is and who we are there."""

    host: str
    port: int
    vhost: str
    user: str
    password: str = field(repr=False)
    uses_tls: bool
    queue_type: str

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Raises BrokerMisconfigured; neither that nor anything else shows the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # not chained: its text quotes the URL, password included
            raise BrokerMisconfigured("the broker URL has no valid host and port") from None
        uses_tls = parts.scheme == "amqps"
        return cls(
            host=parts.hostname or "localhost",
            port=port or (5671 if uses_tls else 5672),
            vhost=unquote(parts.path[1:]) or "/",
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            uses_tls=uses_tls,
            queue_type=_queue_type(parts),
        )

    def __str__(self) -> str:
        scheme = "amqps" if self.uses_tls else "amqp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{self.user}:***@{host}:{self.port}/{self.vhost.removeprefix('/')}"

    def parameters(self) -> Any:
        """For pika. `blocked_connection_timeout` is left out on purpose, see `publisher`."""
        tls = pika.SSLOptions(ssl.create_default_context(), self.host) if self.uses_tls else None
        return pika.ConnectionParameters(
            host=self.host,
            port=self.port,
            virtual_host=self.vhost,
            credentials=pika.PlainCredentials(self.user, self.password, erase_on_connect=False),
            ssl_options=tls,
            heartbeat=HEARTBEAT_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            stack_timeout=CONNECT_SECONDS,
            connection_attempts=1,
        )


def _queue_type(parts: SplitResult) -> str:
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := options.keys() - {"queue_type"}:
        raise BrokerMisconfigured(f"the broker URL has an unknown option {min(unknown)!r}; known: queue_type")
    queue_type = options.get("queue_type", [QUEUE_TYPES[0]])[-1]
    if queue_type not in QUEUE_TYPES:
        raise BrokerMisconfigured(
            f"queue_type in the broker URL is one of {', '.join(QUEUE_TYPES)}, not {queue_type!r}"
        )
    return queue_type
