"""Which server the tests share: the one that is named, else the usual one on loopback, else one that we start."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from tests.servers import postgres, rabbitmq, state
from tests.servers.packages import ServerMissing
from tests.servers.postgres import PrivatePostgres
from tests.servers.rabbitmq import PrivateRabbitmq


class Kind(NamedTuple):
    """What has to be known about a sort of server."""

    name: str
    variable: str
    """Environment variable that names a server to use."""
    usual_urls: tuple[str, ...]
    answers: Callable[[str], bool]
    make: Callable[[], PrivatePostgres | PrivateRabbitmq]


POSTGRES = Kind(
    "PostgreSQL",
    "SYNCF_TEST_PG_URL",
    ("postgresql://root@127.0.0.1:5432/postgres", "postgresql://postgres@127.0.0.1:5432/postgres"),
    postgres.answers,
    PrivatePostgres,
)
RABBITMQ = Kind(
    "RabbitMQ",
    "SYNCF_TEST_AMQP_URL",
    ("amqp://guest:guest@127.0.0.1:5672/",),
    rabbitmq.answers,
    PrivateRabbitmq,
)
KINDS = (POSTGRES, RABBITMQ)


@cache
def ensure_postgres() -> str:
    """The URL of a server where databases may be made. Raises ServerMissing."""
    return find(POSTGRES) or _start_until_exit(POSTGRES)


@cache
def ensure_rabbitmq() -> str:
    """The URL of a server where queues may be declared. Raises ServerMissing."""
    return find(RABBITMQ) or _start_until_exit(RABBITMQ)


def find(kind: Kind) -> str | None:
    """The URL of a server that answers now; raises ServerMissing if the one that was named does not."""
    if named := os.environ.get(kind.variable):
        if not kind.answers(named):
            raise ServerMissing(f"the {kind.name} that {kind.variable} names does not let us in; correct or unset it")
        return named
    started = [record.url for record in state.load() if record.kind == kind.name]
    return next((url for url in [*kind.usual_urls, *started] if kind.answers(url)), None)


def _start_until_exit(kind: Kind) -> str:
    server = kind.make()
    atexit.register(server.remove)
    server.start()
    return server.url
