"""Slaves that are killed, or frozen and woken, at any moment of an upload to S3.

A scheduler runs all along, real slaves copy to a server behind a proxy (`bucket`). Each experiment is a job with one
file. **Killed**: a second slave goes on, and no part that the server has is sent again. **Frozen**: its lease is over,
another slave finishes the file, and only then the request that it was about to send arrives, and it wakes. Either way
the bucket holds the newest content, the row says so and stays as it was, and no unfinished upload is left.
"""

from __future__ import annotations

import hashlib
import random
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.faults import freeze, is_alive, thaw
from tests.acceptance.processes import Process, Processes, eventually
from tests.acceptance.product import Product
from tests.reliability.bucket import Bucket, Moment, opened
from tests.reliability.experiments import Verdict
from tests.servers import buckets
from tests.servers.ensure import MOTO, SWIFT, Kind
from tests.support.databases import migrate

BIG, SMALL = (40 << 20) + 12_345, 100_000
"""Six parts, four of which are under way at once; and one request."""
KILLS = [
    *(Moment("create", 1, when) for when in ("before", "after")),
    *(Moment("part", number, when) for number in (1, 3, 6) for when in ("before", "half", "after")),
    *(Moment("complete", 1, when) for when in ("before", "after")),
    Moment("read", 1, "before"),
    *(Moment("put", 1, when) for when in ("before", "after")),
]
FREEZES = [
    *((Moment("put", 1, "before"), then) for then in ("same", "newer", "again")),
    *((Moment(what, number, "before"), then)
      for what, number in (("part", 3), ("complete", 1)) for then in ("same", "newer", "again", "middle", "late")),
    *((Moment(what, 1, "after"), then) for what in ("create", "complete") for then in ("same", "newer", "again")),
]  # fmt: skip
"""What happens meanwhile: the other slave finishes the same content, or newer content that the source has by now, or
first the one and then the other; it wakes while the other is in the middle, or when its own clock says that its lease
is over as well."""
END_SECONDS = 60.0
LEASE_SECONDS = 45.0
SHOWN = 400


class Job(NamedTuple):
    """Of one file."""

    name: str
    id: uuid.UUID

    @property
    def key(self) -> str:
        """In the bucket."""
        return f"{self.name}/file"


class Site:
    """The product at work on one bucket."""

    def __init__(self, product: Product, bucket: Bucket, seed: int) -> None:
        self._product, self._bucket = product, bucket
        self._draw, self._count = random.Random(seed), 0

    def kill(self, moment: Moment) -> Verdict:
        """A slave that is killed at that moment, and one that is not."""
        doomed = self._product.start_slave("slave-doomed", concurrency=1)
        job, data = self._begin(moment, lambda: kill(doomed))
        was_struck = self._bucket.struck.wait(END_SECONDS)
        kill(doomed)
        finished = self._bucket.settled()
        successor = self._product.start_slave("slave-other", concurrency=1)
        wrong = self._end(job, data)
        wrong += [f"part {part.number} was sent again" for part in finished if self._bucket.parts[part] > 1]
        if finished and len({part.upload for part in self._bucket.parts}) > 1:
            wrong.append("it began again")
        return Verdict(f"killed {moment}", (*wrong, *stopped(successor)), was_struck)

    def freeze(self, moment: Moment, then: str) -> Verdict:
        """A slave whose request of that moment arrives when all is over, or in the middle of its successor's upload."""
        zombie, sleep = self._product.start_slave("slave-zombie", concurrency=1), Sleep(self._product)
        job, data = self._begin(moment, lambda: sleep.fall(zombie))
        was_struck = sleep.begun.wait(END_SECONDS)
        self._expire(zombie)
        data = self._write(job.name, len(data)) if then == "newer" else data
        if then == "middle":
            self._bucket.arm_next(moment._replace(number=1), lambda: sleep.end(zombie))
        other = self._product.start_slave("slave-other", concurrency=1)
        wrong = self._end(job, data)
        if then == "again":
            data = self._write(job.name, len(data))
            self._product.steer("run_now", job.id)
            wrong += self._end(job, data)
        rows = self._rows(job)
        sleep.end(zombie, late=then == "late")
        wrong += [f"at last: {what}" for what in self._end(job, data)]
        wrong += ["a row was changed"] if rows != self._rows(job) else []
        return Verdict(f"frozen {moment}, {then}", (*wrong, *stopped(zombie), *stopped(other)), was_struck)

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, moment: Moment, strike: Callable[[], object]) -> tuple[Job, bytes]:
        """The job of a new file."""
        self._count += 1
        name = f"job{self._count}"
        data = self._write(name, SMALL if moment.what == "put" else BIG)
        self._bucket.arm(f"{name}/file", moment, strike)
        return Job(name, self._product.create_job(name, name, sink_type="s3")), data

    def _write(self, name: str, size: int) -> bytes:
        data, source = self._draw.randbytes(size), self._product.base / name
        source.mkdir(exist_ok=True)
        (source / "file").write_bytes(data)
        return data

    def _end(self, job: Job, data: bytes) -> list[str]:
        """What is wrong once the job has ended."""
        with suppress(AssertionError):
            self._product.wait_for_job(job.id, seconds=END_SECONDS)
        rows = self._rows(job)
        wrong = [f"{row['status']}: {row['reason_text']}" for row in rows if row["status"] != "completed"]
        wrong += ["the row has another digest" for row in rows if row["checksum"] != hashlib.sha256(data).digest()]
        if not rows or self._bucket.content(job.key) != data:
            wrong.append("the bucket holds other bytes")
        return wrong + [f"{what} is left" for what in self._left(job)]

    def _left(self, job: Job) -> list[str]:
        """Of uploads, at the server and in tables."""
        query = "SELECT count(*) FROM jobs_{} u JOIN jobs_task t ON t.id = u.task_id WHERE t.job_id = %s"
        tables = [name for name in ("upload", "checkpoint") if self._product.value(query.format(name), job.id)]
        return [*(f"a row of {name}" for name in tables), *(f"upload {each}" for each in self._bucket.uploads(job.key))]

    def _rows(self, job: Job) -> list[dict[str, Any]]:
        return self._product.rows("SELECT * FROM jobs_task WHERE job_id = %s AND kind = 'file'", job.id)

    def _expire(self, slave: Process) -> None:
        """Its lease, by the database."""
        file = self._product.environment["DATABASE_URL"].removeprefix("sqlite:///")
        long_ago = "UPDATE jobs_slave SET lease_expires_at = '2001-01-01 00:00:00' WHERE pid = ?"
        with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
            connection.execute(long_ago, [slave.pid])


class Sleep:
    """Of a slave that freezes while a request of its own is on its way."""

    def __init__(self, product: Product) -> None:
        self._product, self.begun, self._over = product, threading.Event(), threading.Event()
        self._began_at = 0.0

    def fall(self, slave: Process) -> None:
        """Returns when it has come back."""
        freeze(self._product, slave)
        self._began_at = time.monotonic()
        self.begun.set()
        self._over.wait(4 * END_SECONDS)

    def end(self, slave: Process, *, late: bool = False) -> None:
        """Returns when it has found out that its time is over. Idempotent."""
        if late:
            time.sleep(max(0.0, self._began_at + LEASE_SECONDS - time.monotonic()))
        thaw(slave)
        self._over.set()
        eventually(lambda: "a new one signs on" in slave.err, END_SECONDS, "the zombie to find out")


def kill(slave: Process) -> None:
    """With its workers, which end with it. Idempotent."""
    workers = slave.children()
    slave.stop(signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, workers)), 10, "the workers to end", every=0.01)


def stopped(slave: Process) -> list[str]:
    """What is wrong with how it ends."""
    slave.stop()
    return [slave.err.partition("Traceback")[2][-SHOWN:]] if "Traceback" in slave.err else []


@contextmanager
def running(home: Path, kind: Kind, seed: int) -> Iterator[Site]:
    """A scheduler, and a bucket on that server."""
    home.mkdir(parents=True)
    database = f"sqlite:///{home / 'database.sqlite3'}"
    migrate(database)
    with (
        (home / "log").open("w") as log,
        redirect_stdout(log),
        opened(kind) as bucket,
        Processes(home / "logs") as processes,
    ):
        keys = {"AWS_SHARED_CREDENTIALS_FILE": str(buckets.write_s3_profiles(home / "aws"))}
        variables = {"BROKER_URL": "database://", "STORAGE_S3": bucket.url, **keys}
        product = Product(processes, database_url=database, base=home / "base", **variables)
        product.start_scheduler()
        yield Site(product, bucket, seed)


def uploads(home: Path, count: int, seed: int) -> list[Verdict]:
    """`count` experiments, on moto and on OpenStack Swift, half of them each."""
    plan: list[Callable[[Site], Verdict]] = [
        *(lambda site, moment=moment: site.kill(moment) for moment in KILLS),
        *(lambda site, at=at: site.freeze(*at) for at in FREEZES),
    ]
    random.Random(seed).shuffle(plan)
    verdicts: list[Verdict] = []
    for share, kind in ((count - count // 2, MOTO), (count // 2, SWIFT)):
        with running(home / kind.name, kind, seed) as site:
            verdicts += [plan[number % len(plan)](site) for number in range(share)]
    return verdicts
