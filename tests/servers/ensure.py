"""Which server the tests share: the one that is named, else the usual one on loopback, else one that we start."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from tests.servers import postgres, rabbitmq, state
from tests.servers.cloud import PrivateAzurite, PrivateGcs, PrivateMoto
from tests.servers.packages import ServerMissing
from tests.servers.postgres import PrivatePostgres
from tests.servers.private import PrivateServer, answers_http, answers_ssh
from tests.servers.rabbitmq import PrivateRabbitmq
from tests.servers.sftp import PrivateSftp
from tests.servers.swift import PrivateSwift


class Kind(NamedTuple):
    """What has to be known about a sort of server."""

    name: str
    variable: str
    """Environment variable that names a server to use."""
    usual_urls: tuple[str, ...]
    answers: Callable[[str], bool]
    make: Callable[[], PrivatePostgres | PrivateRabbitmq | PrivateServer]


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
MOTO = Kind("moto", "SYNCF_TEST_MOTO_URL", (), answers_http, PrivateMoto)
SWIFT = Kind("Swift", "SYNCF_TEST_SWIFT_URL", (), answers_http, PrivateSwift)
GCS = Kind("the emulator of Google Cloud Storage", "SYNCF_TEST_GCS_URL", (), answers_http, PrivateGcs)
AZURITE = Kind("azurite", "SYNCF_TEST_AZURITE_URL", (), answers_http, PrivateAzurite)
SFTP = Kind("OpenSSH", "SYNCF_TEST_SFTP_URL", (), answers_ssh, PrivateSftp)
KINDS = (POSTGRES, RABBITMQ, MOTO, SWIFT, GCS, AZURITE, SFTP)


def ensure_postgres() -> str:
    """The URL of a server where databases may be made. Raises ServerMissing."""
    return ensure(POSTGRES)


def ensure_rabbitmq() -> str:
    """The URL of a server where queues may be declared. Raises ServerMissing."""
    return ensure(RABBITMQ)


@cache
def ensure(kind: Kind) -> str:
    """The URL of a server of this kind that answers; one of our own ends with this process. Raises ServerMissing."""
    return find(kind) or _start_until_exit(kind)


def find(kind: Kind) -> str | None:
    """The URL of a server that answers now; raises ServerMissing if the one that was named does not."""
    if named := os.environ.get(kind.variable):
        if not kind.answers(named):
            raise ServerMissing(f"the {kind.name} that {kind.variable} names does not let us in; correct or unset it")
        return named
    started = [record.url for record in state.load() if record.kind == kind.name and record.is_running()]
    return next((url for url in [*kind.usual_urls, *started] if kind.answers(url)), None)


def _start_until_exit(kind: Kind) -> str:
    server = kind.make()
    atexit.register(server.remove)
    server.start()
    return server.url
