"""A slave process: signs on, runs one incarnation after another, signs off."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from jobs import slaves
from jobs.damage import is_damaged
from jobs.machine import machine_id, process_identity
from jobs.models import Slave
from jobs.storages import Root, configured, opened
from storage_backends.errors import StorageError
from transfers.engine.control import boottime
from transfers.queue import open_queue
from transfers.slave.heartbeat import Heartbeat
from transfers.slave.patience import IncarnationOver
from transfers.slave.slave import USUAL, Manner, SlaveLoop
from transfers.slave.throughput import Throughput

log = logging.getLogger(__name__)

SIGN_ON_RETRY_SECONDS = 2.0


def draw_name() -> str:
    """A name for a slave that was given none."""
    return f"slave-{secrets.token_hex(3)}"


def run_slave(
    name: str,
    *,
    concurrency: int,
    should_stop: Callable[[], bool],
    manner: Manner = USUAL,
    is_patient: bool = True,
    aliases: Sequence[str] | None = None,
) -> None:
    """Work as `name` until `should_stop`, or until it was drained. `is_patient`: one that was signed on and lost its
    lease waits for a database that does not answer. `aliases`: the storages it serves, which the caller has just looked
    at; None: all that are configured and can be reached.

    Raises Conflict if another live process has the name at the start, and what the database raises if it is damaged or
    nobody is patient."""
    is_first = True
    while not should_stop():
        try:
            slave, signed_on_at = _sign_on(name, concurrency, aliases)
            is_first = False
            if _work(slave, signed_on_at, should_stop, manner):
                return
        except IncarnationOver as over:
            log.warning("this incarnation of %s is over: %s; a new one signs on", name, over)
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            if is_first or not is_patient or is_damaged(error):
                raise
            log.warning("the database does not answer, trying again: %s", str(error).strip())
            time.sleep(SIGN_ON_RETRY_SECONDS)


def _sign_on(name: str, concurrency: int, aliases: Sequence[str] | None) -> tuple[Slave, float]:
    reachable, unreachable = probe_aliases() if aliases is None else (sorted({*aliases}), {})
    slave = Slave(
        name=name,
        host=socket.gethostname(),
        machine_id=machine_id(),
        pid=os.getpid(),
        process=process_identity(),
        version=settings.VERSION,
        concurrency=concurrency,
        aliases=reachable,
        unreachable=unreachable,
    )
    signed_on_at = boottime()
    slaves.sign_on(slave)
    log.info("%s signed on with %d workers; serves %s", name, concurrency, ", ".join(reachable) or "no storage")
    slaves.reap_dead()
    return slave, signed_on_at


def probe_aliases() -> tuple[list[str], dict[str, str]]:
    """The storages this process can reach, and for the others why not."""
    reachable, unreachable = [], {}
    for alias, url in sorted(configured().items()):
        try:
            with opened(Root(alias, url, b"")) as storage:
                storage.probe()
        except StorageError as error:
            unreachable[alias] = str(error)
            log.warning("storage %s can't be served: %s", alias, error)
        else:
            reachable.append(alias)
    return reachable, unreachable


def _work(slave: Slave, signed_on_at: float, should_stop: Callable[[], bool], manner: Manner) -> bool:
    """One incarnation; true if somebody asked it to drain."""
    throughput = Throughput()
    heartbeat = Heartbeat(slave, signed_on_at=signed_on_at, throughput=throughput)
    with open_queue() as broker:
        broker.start_consuming()
        loop = SlaveLoop(slave, broker, heartbeat, throughput=throughput, manner=manner)
        loop.run(should_stop)
    slaves.sign_off(slave)
    slaves.reap_dead()
    log.info("%s signed off", slave.name)
    return loop.is_retired
