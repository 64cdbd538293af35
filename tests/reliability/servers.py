"""Broker and database that fail under load: scheduler and slaves run all along, and every job must arrive.

Each stage has servers of its own on free ports. A round is one job: while it is copied, connections to RabbitMQ are
cut, the node is killed and started, or PostgreSQL is restarted as after a crash; then the job must end with every file,
and the very processes that began.
"""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.acceptance.processes import Processes, eventually
from tests.acceptance.product import Product
from tests.reliability.experiments import Verdict
from tests.servers import private_postgres, private_rabbitmq
from tests.support.counting_proxy import CountingProxy
from tests.support.databases import migrate

FILES, FILE_BYTES, BIG_BYTES = 250, 3000, 6 << 20
ROUND_SECONDS = 8
"""How long a job takes while it is held back to that rate."""
END_SECONDS = 180.0
SHOWN = 400
SLAVES = ("slave-001", "slave-002")
Strike = Callable[[], object]


class Cutter(CountingProxy):
    """A proxy whose connections can be cut."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._ends: set[socket.socket] = set()

    def cut(self) -> int:
        """Reset every connection, as soon as there is one; returns how many ends."""
        deadline = time.monotonic() + END_SECONDS
        while not self._ends and time.monotonic() < deadline:
            time.sleep(0.01)
        ends = list(self._ends)
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
        return len(ends)

    def _forward(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        self._ends.add(source)
        try:
            super()._forward(source, target, is_counted)
        finally:
            self._ends.discard(source)


class Site(NamedTuple):
    """The product at work, and what is done to its servers."""

    product: Product
    strike: Strike
    pause_seconds: float
    """Between two strikes, at most."""

    def round(self, number: int, strikes: int) -> Verdict:
        """One job under `strikes` strikes. Raises AssertionError where it can't even be made: nothing was shown."""
        source, sink = f"source{number}", f"sink{number}"
        fill(self.product.base / source, seed=number)
        rate = (FILES * FILE_BYTES + BIG_BYTES) // ROUND_SECONDS
        job = self.product.create_job(source, sink, bytes_per_second=rate)
        wrong: list[str] = []
        try:
            self._strike(strikes)
            self._hurry(job)
            self.product.wait_for_job(job, seconds=END_SECONDS)
            wrong += self._look(number, job)
        except AssertionError as error:
            wrong.append(str(error)[:SHOWN])
        return Verdict(f"job {number}", tuple(wrong), was_struck=True, count=strikes)

    def _strike(self, strikes: int) -> None:
        draw = random.Random(strikes)
        for _ in range(strikes):
            time.sleep(draw.uniform(0, self.pause_seconds))
            self.strike()

    def _hurry(self, job: uuid.UUID) -> None:
        for _ in range(5):
            try:
                return self.product.steer("update_options", job, bytes_per_second=None)
            except AssertionError:  # its connection was one of those that are gone
                time.sleep(1)

    def _look(self, number: int, job: uuid.UUID) -> list[str]:
        source, sink = (self.product.base / f"{side}{number}" for side in ("source", "sink"))
        different = subprocess.run(["diff", "--recursive", "--brief", source, sink], capture_output=True, text=True)
        wrong = [different.stdout[:SHOWN]] if different.returncode else []
        statuses = self.product.statuses(job)
        if statuses.keys() != {"completed"}:
            wrong.append(f"tasks of a completed job: {statuses}")
        for process in self.product.processes.started():
            if process.code is not None:
                wrong.append(f"{process.name} ended with {process.code}: {process.err[-SHOWN:]}")
            if "Traceback" in process.err:
                wrong.append(f"{process.name} wrote a traceback: {process.err.partition('Traceback')[2][-SHOWN:]}")
        return wrong


def fill(source: Path, *, seed: int) -> None:
    """Some small files and one with checkpoints."""
    draw = random.Random(seed)
    (source / "many").mkdir(parents=True)
    for number in range(FILES):
        (source / "many" / f"{number:04}").write_bytes(draw.randbytes(FILE_BYTES))
    (source / "big").write_bytes(draw.randbytes(BIG_BYTES))


@contextmanager
def running(home: Path, database: str, broker: str, strike: Strike, pause_seconds: float) -> Iterator[Site]:
    """Scheduler and two slaves, which must all live to the end."""
    home.mkdir(parents=True)
    migrate(database)
    # What they wrote is shown only where something is wrong.
    with (home / "log").open("w") as log, redirect_stdout(log), Processes(home / "logs") as processes:
        product = Product(processes, database_url=database, base=home / "base", BROKER_URL=broker)
        product.start_scheduler()
        for name in SLAVES:
            product.start_slave(name)
        try:
            eventually(lambda: is_at_work(product), END_SECONDS, "scheduler and slaves to be at work")
            yield Site(product, strike, pause_seconds)
        finally:
            with suppress(AssertionError):
                product.close()


def is_at_work(product: Product) -> bool:
    """Whether all have found their servers: without those they would rightly refuse to start."""
    slaves = product.value("SELECT count(*) FROM jobs_slave WHERE state = 'online'")
    leaders = product.value("SELECT count(*) FROM jobs_lease WHERE name = 'scheduler'")
    return bool(slaves == len(SLAVES) and leaders)


def broker_cuts(home: Path, count: int) -> list[Verdict]:
    """`count` times all connections to RabbitMQ are reset."""
    with private_postgres() as database, private_rabbitmq() as node, Cutter(urlsplit(node.url).port or 0) as cutter:
        url = f"amqp://guest:guest@127.0.0.1:{cutter.port}/"
        with running(home, database.url, url, cutter.cut, 0.2) as site:
            return _rounds(site, count, 25)


def broker_kills(home: Path, count: int) -> list[Verdict]:
    """`count` times RabbitMQ is killed by kill -9 and started."""
    with private_postgres() as database, private_rabbitmq() as node:

        def strike() -> None:
            node.kill9()
            node.start()

        with running(home, database.url, node.url, strike, 1.0) as site:
            return _rounds(site, count, 3)


def database_restarts(home: Path, count: int) -> list[Verdict]:
    """`count` times PostgreSQL is restarted as after a crash: every transaction under way is undone."""
    with private_postgres(durable=True) as database:
        strike = lambda: database.restart("immediate")  # noqa: E731
        with running(home, database.url, "database://", strike, 1.0) as site:
            return _rounds(site, count, 8)


def _rounds(site: Site, count: int, at_once: int) -> list[Verdict]:
    """`at_once` strikes a job, until there were `count`."""
    verdicts: list[Verdict] = []
    while (left := count - sum(verdict.count for verdict in verdicts)) > 0:
        verdicts.append(site.round(len(verdicts), min(at_once, left)))
    return verdicts
