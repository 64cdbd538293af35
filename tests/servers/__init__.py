"""Servers for tests: PostgreSQL, RabbitMQ, emulators of the clouds, Swift, OpenSSH. What is there, else private ones on
loopback. Plain Python, Linux.

* `ensure_postgres()`, `ensure_rabbitmq()`: the URL of a server to share. Nobody stops, purges or reconfigures it.
* `ensure(kind)`: the same for `MOTO`, `SWIFT`, `GCS`, `AZURITE` and `SFTP`; `buckets` makes empty places there.
* `private_postgres()`, `private_rabbitmq()`: a server of one's own, to stop, kill and restart.
* ``python -m tests.servers up`` and ``down``: for the Makefile, so that several test runs share what was started.
"""

from tests.servers.ensure import ensure_postgres, ensure_rabbitmq
from tests.servers.packages import ServerMissing
from tests.servers.postgres import PrivatePostgres, private_postgres
from tests.servers.rabbitmq import PrivateRabbitmq, private_rabbitmq

__all__ = [
    "PrivatePostgres",
    "PrivateRabbitmq",
    "ServerMissing",
    "ensure_postgres",
    "ensure_rabbitmq",
    "private_postgres",
    "private_rabbitmq",
]
