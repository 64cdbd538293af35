"""`python -m tests.benchmarks.rows_driver FILES`: what database and broker cost per file, with nothing copied.

Everything between a listed file and a completed row, but for the copying: new rows in batches as a scan writes them,
hints published and received where the broker has any, claims, assignments pickled to a worker and back, the fence
before the publish, outcomes pickled and settled. Prints microseconds of wall clock per file.
"""

from __future__ import annotations

import hashlib
import pickle
import select
import sys
import time
from typing import TYPE_CHECKING

import django

from tests.support.queues import delete_queues
from transfers.engine.memory import keep_what_is_loaded

if TYPE_CHECKING:
    from transfers.scheduler.publisher import Publisher
    from transfers.slave.claims import Batch

#: Without a batch: what was published and lost is published again after half of it.
PATIENCE_SECONDS = 60.0


def main(files: int) -> None:
    """Print microseconds per file."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    run = Rows(files)
    keep_what_is_loaded()  # as every process of the data plane does
    begun = time.perf_counter()
    run.discover()
    run.work()
    print((time.perf_counter() - begun) / files * 1e6)
    run.tidy()


class Rows:
    """A job of which nothing exists but its rows."""

    def __init__(self, files: int) -> None:
        from jobs.models import Job, Slave
        from jobs.sql.rows import NewTask
        from transfers.queue import open_queue
        from transfers.slave.claims import Claims

        self.job = Job.objects.create(source_type="local", source_path="/a", sink_type="local", sink_path="/b")
        self.slave = Slave(name="bench", host="h", machine_id="m", pid=1, process="p", concurrency=2, aliases=["local"])
        self.renew_at = 0.0
        self.claims = Claims(self.slave)
        self.broker = open_queue()
        self.rows = []
        for number in range(files):
            path = b"d%04d/f%06d.dat" % (number // 1000, number)
            digest, version = hashlib.sha256(path).digest(), f"{number}.1700000000000000000"
            looks = ("pending", 1024, 1_700_000_000_000_000_000, version, False, "", "")
            self.rows.append(NewTask("file", path, digest, path.decode(), *looks))

    def discover(self) -> None:
        """As a scan writes them."""
        from jobs import transitions

        for start in range(0, len(self.rows), 1000):
            transitions.discover(self.job.pk, self.rows[start : start + 1000])

    def work(self) -> None:
        """As scheduler and slave do it, a batch after the other. Raises RuntimeError where no more come."""
        from jobs import slaves
        from transfers.scheduler.publisher import Publisher

        slaves.sign_on(self.slave)
        publisher = Publisher(self.broker)
        left, patient_until = len(self.rows), time.monotonic() + PATIENCE_SECONDS
        with self.broker as broker:
            broker.start_consuming()
            while left:
                self._keep_lease()
                for batch in self._next(publisher):
                    left -= self._settle(batch)
                    patient_until = time.monotonic() + PATIENCE_SECONDS
                if time.monotonic() > patient_until:
                    raise RuntimeError(f"{left} of {len(self.rows)} files wait and can't be claimed")

    def _next(self, publisher: Publisher) -> list[Batch]:
        from transfers.broker.base import Delivery

        delivery = self.broker.receive()
        if isinstance(delivery, Delivery):
            batches = self.claims.named(delivery.hint.task_ids)
            self.broker.ack(delivery)
            return batches
        if self.broker.pending() is None:
            batch = self.claims.next()
            return [batch] if batch else []
        publisher.publish()
        select.select([self.broker], [], [], 0.1)
        return []

    def _keep_lease(self) -> None:
        """As a slave's heartbeat does: who has none can claim nothing."""
        from jobs import slaves

        if time.monotonic() >= self.renew_at:
            self.renew_at = time.monotonic() + slaves.HEARTBEAT_SECONDS
            if not slaves.heartbeat(self.slave, bytes_per_second=0):
                raise RuntimeError("the lease is over")

    def tidy(self) -> None:
        """The server of the queues outlives this run."""
        from django.conf import settings

        from jobs.services import installation

        if settings.BROKER_URL.startswith("amqp"):
            delete_queues(settings.BROKER_URL, f"syncf.{installation().identifier}")

    def _settle(self, batch: object) -> int:
        from jobs import transitions, uploads
        from transfers.engine.contracts import Identity, Outcome, Result
        from transfers.engine.messages import FenceAsked, Outcomes, pack_assignment, unpack_assignment
        from transfers.slave import answers, claims

        assigned = claims.assignment(batch, number=1, installation="0badcafe")
        assignment = unpack_assignment(pickle.loads(pickle.dumps(pack_assignment(assigned))))
        asked = FenceAsked(tuple((work.task_id, work.epoch) for work in assignment.works))
        uploads.owned(self.slave, pickle.loads(pickle.dumps(asked)).keys)
        seen = Identity(1024, 1_700_000_000_000_000_000, "123456.1700000000000000000")
        sha256 = b"s" * 32
        done = [Outcome(w.task_id, w.epoch, Result.COMPLETED, sha256, seen, seen, 1024, 1024) for w in assignment.works]
        message = pickle.loads(pickle.dumps(Outcomes.pack(done)))
        answer = answers.sort(batch.job, {task.id: task for task in batch.tasks}, set(), 0.0, message)
        rows, old_bytes = answer.copied_rows(), answer.claimed_bytes()
        assert transitions.settle_copied(self.slave, self.job.pk, rows, old_bytes=old_bytes)
        return len(batch.tasks)


if __name__ == "__main__":
    main(int(sys.argv[1]))
