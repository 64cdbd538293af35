"""What refuses to start says so in one line, before anything was begun."""

from __future__ import annotations

from django.core.management.base import CommandError

from jobs.management.checked import MISCONFIGURED
from jobs.readiness import Unreachable, Unready, require_base_path, require_database, require_local_disk
from transfers.broker.errors import BrokerError, BrokerMisconfigured
from transfers.queue import open_queue

LATER = 1
"""Exit code: it may work later."""


def refuse_unready() -> None:
    """Raises CommandError with the setting and what mends it."""
    try:
        require_base_path()
        require_local_disk()
        require_database()
        require_broker()
    except Unreachable as unreachable:
        raise CommandError(str(unreachable), returncode=LATER) from unreachable
    except Unready as unready:
        raise CommandError(str(unready), returncode=MISCONFIGURED) from unready


def require_broker() -> None:
    """It carries hints, in queues that are as this version wants them. (One that goes away *later* does not stop work.)

    Raises Unready."""
    try:
        with open_queue() as broker:
            broker.probe()
    except BrokerMisconfigured as error:
        raise Unready(f"BROKER_URL: {str(error).removeprefix('BROKER_URL ')}") from error
    except BrokerError as error:
        hint = "Start it (make start-rabbitmq, systemctl start rabbitmq-server), or correct BROKER_URL."
        raise Unreachable(f"BROKER_URL: {error}. {hint}") from error
