"""`python -m tests.benchmarks.console_driver TASKS`: what each page and address costs on the database at hand.

Prints a JSON list of `Cost`. The queries are counted with ten thousand tasks too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

FEW, ROUNDS = 10_000, 7
TOKEN = "only-for-this-benchmark-and-long-enough"


@dataclass(frozen=True)
class Cost:
    """Of one address."""

    address: str
    milliseconds: float
    """Of a processor, the page's and the database's together, in the cheapest of `ROUNDS` answers. One waits for the
    other and the rows lie in memory, so on an idle machine it takes as long; on a busy one a clock measures others."""
    queries_few: int
    queries_many: int


def main(tasks: int) -> None:
    """Print the costs."""
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    settings.ALLOWED_HOSTS, settings.METRICS_TOKEN, settings.SECURE_SSL_REDIRECT = ["*"], TOKEN, False
    call_command("migrate", verbosity=0, interactive=False)
    if connection.vendor == "postgresql":
        connection.cursor().execute("SET max_parallel_workers_per_gather = 0")  # whose time would be missing
    world = World()
    world.fill(FEW)
    client = Client(headers={"Authorization": f"Bearer {TOKEN}"})
    client.force_login(world.operator)
    few = {name: measure(client, address)[1] for name, address in world.addresses()}
    world.fill(tasks - FEW)
    print(json.dumps([asdict(each) for each in _many(client, world, few)]))


def _many(client: Any, world: World, few: dict[str, int]) -> Iterator[Cost]:
    for name, address in world.addresses():
        milliseconds, queries = measure(client, address)
        yield Cost(name, milliseconds, few[name], queries)


def measure(client: Any, address: str) -> tuple[float, int]:
    """(milliseconds, queries) of an answer."""
    queries = min(_queries(client, address) for _ in range(2))
    assert queries, address
    return min(_once(client, address) for _ in range(ROUNDS)) * 1000, queries


def _queries(client: Any, address: str) -> int:
    """One request in many takes the next share of the user's allowance besides."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return len(asked)  # before the next request forgets them


def _once(client: Any, address: str) -> float:
    begun = _processor_seconds()
    answer = client.get(address)
    if answer.streaming:  # a report ends when all files are told; what counts is that it begins
        next(iter(answer.streaming_content))
    return _processor_seconds() - begun


def _processor_seconds() -> float:
    from django.db import connection

    if connection.vendor == "sqlite":
        return time.process_time()
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(server.split()[0]) / 1e9


class World:
    """One big job, twenty small ones, and what years leave behind."""

    #: Status → of a hundred files. The first is what a real catalogue is full of.
    MIX = ("completed",) * 82 + ("failed",) * 10 + ("pending",) * 5 + ("retrying", "skipped") + ("in_progress",)
    REASONS = ("SINK_IO_ERROR", "SINK_NO_SPACE", "SOURCE_CHANGED", "SINK_KIND_CONFLICT")

    def __init__(self) -> None:
        from django.contrib.auth import get_user_model

        from jobs.models import Slave
        from tests.unit.jobs import builders

        self.operator = get_user_model().objects.create_superuser("operator", "", "x")
        self.slave = builders.new_slave("slave-001")
        self.job = builders.new_job(name="big", interval=timedelta(hours=1))
        self.small = [builders.new_job(name=f"small {number}") for number in range(20)]
        Slave.objects.bulk_create(self._old_slave(number) for number in range(300))
        self.models = [self._model(place, status) for place, status in enumerate(self.MIX)]
        self.made = 0
        self._history()

    def _old_slave(self, number: int) -> Any:
        from jobs.models import Slave

        same = {"host": "here", "machine_id": "m", "pid": 1, "process": "p", "concurrency": 2}
        return Slave(name=f"old-{number}", state="offline", lease_expires_at=self.slave.lease_expires_at, **same)

    def _model(self, place: int, status: str) -> int:
        from tests.unit.jobs import builders

        fields: dict[str, Any] = {"owner": self.slave} if status == "in_progress" else {}
        if status == "failed":
            fields["reason_code"] = self.REASONS[place % len(self.REASONS)]
        return builders.put(self.job, status, b"model %d" % place, slave_name="slave-001", **fields).pk

    def _history(self) -> None:
        from django.utils import timezone

        from jobs.models import Counter, Finding, JobEvent, Sample, Scan

        now = timezone.now()
        jobs = [self.job, *self.small]
        Scan.objects.bulk_create(Scan(job=job, started_at=now, finished_at=now) for job in jobs for _ in range(500))
        Finding.objects.bulk_create(Finding(scan=Scan.objects.first(), path_display=f"f{n}") for n in range(1000))
        JobEvent.objects.bulk_create(
            JobEvent(job=job, actor="slave:slave-001", action="completed") for job in jobs for _ in range(1_000)
        )
        deltas = {"name": "file.completed", "delta": 1}
        Counter.objects.bulk_create(Counter(job=job, **deltas) for job in jobs for _ in range(199))
        moments = [now - timedelta(seconds=10 * number) for number in range(360)]
        Sample.objects.bulk_create(Sample(job=job, at=at, files=10, bytes=1 << 20) for job in jobs for at in moments)

    def fill(self, tasks: int) -> None:
        """More tasks of the big job, by copies of the models."""
        from django.db import connection

        from jobs.models import Counter, Task

        is_sqlite = connection.vendor == "sqlite"
        text = "('d' || (n / 1000) || '/f' || n || '.dat')"
        path = f"CAST({text} AS BLOB)" if is_sqlite else f"convert_to({text}, 'UTF8')"
        digest = "randomblob(32)" if is_sqlite else f"sha256({path})"
        made = {"path": path, "path_sha256": digest, "path_display": text, "size": "((n % 4000) * 7919)"}
        columns = [field.column for field in Task._meta.concrete_fields if not field.primary_key]
        chosen = ", ".join(made.get(column, f"m.{column}") for column in columns)
        series = "WITH RECURSIVE series(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM series WHERE n < %s)"
        place = f"%s + (n % {len(self.MIX)})".replace("n %", "n %%")
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO jobs_task ({', '.join(columns)}) {series} "
                f"SELECT {chosen.replace('%', '%%')} FROM series JOIN jobs_task m ON m.id = {place}",
                [self.made + 1, self.made + tasks, self.models[0]],
            )
            if not is_sqlite:
                cursor.execute("VACUUM ANALYZE jobs_task")
        for status in set(self.MIX):
            count = tasks * self.MIX.count(status) // len(self.MIX)
            Counter.objects.create(job=self.job, name=f"file.{status}", delta=count)
            Counter.objects.create(job=self.job, name=f"file.{status}.bytes", delta=count * 16_000_000)
        self.made += tasks

    def addresses(self) -> Iterator[tuple[str, str]]:
        """(as it is written in the report, as it is asked for)."""
        job, slave, task = str(self.job.pk), str(self.slave.pk), str(self.models[90])
        for address in ADDRESSES:
            shown = address.format(job="JOB", slave="SLAVE", task="TASK", scan="SCAN", small="")
            yield shown, address.format(job=job, slave=slave, task=task, scan=500)


_TASKS = "/admin/jobs/task/?job__exact={job}"
_API = "/api/jobs/{job}"
ADDRESSES = (
    *("/admin/", "/admin/jobs/job/", "/admin/jobs/job/add/", "/admin/jobs/job/{job}/change/"),
    *("/admin/jobs/job/live/?page=overview", "/admin/jobs/job/live/?page=job&id={job}"),
    "/admin/jobs/job/live/?page=list&id={job}",
    *("/admin/jobs/task/", "/admin/jobs/task/?p=50", _TASKS, f"{_TASKS}&p=50", "/admin/jobs/task/{task}/change/"),
    *(f"/admin/jobs/task/?status__exact={status}" for status in sorted(set(World.MIX))),
    *(f"{_TASKS}&status__exact={status}" for status in sorted(set(World.MIX))),
    *(f"{_TASKS}&reason=SINK_NO_SPACE", "/admin/jobs/task/?reason=SINK_NO_SPACE", "/admin/jobs/task/?reason=NO_ROOT"),
    *(f"{_TASKS}&status__exact=cancelled", f"{_TASKS}&status__exact=pending&p=5", f"{_TASKS}&reason=NO_ROOT"),
    *(f"{_TASKS}&slave=slave-001", f"{_TASKS}&size=large"),
    *("/admin/jobs/task/?size=small", "/admin/jobs/task/?size=10g"),
    *("/admin/jobs/task/?q=d5/f5001", f"{_TASKS}&q=d5/f5001", f"{_TASKS}&q=nothing"),
    *("/admin/jobs/task/?q=d", f"{_TASKS}&q=d"),
    *("/admin/jobs/slave/", "/admin/jobs/slave/{slave}/change/"),
    *("/admin/jobs/scan/", "/admin/jobs/scan/?job__exact={job}", "/admin/jobs/scan/{scan}/change/"),
    *("/admin/jobs/jobevent/", "/admin/jobs/jobevent/?job__exact={job}"),
    *("/api/jobs", _API, f"{_API}/tracking", f"{_API}/tracking?status=failed", f"{_API}/tracking?reason=SINK_NO_SPACE"),
    *(f"{_API}/tracking?status={status}" for status in ("completed", "in_progress", "pending", "retrying")),
    f"{_API}/tracking?cursor={{task}}",
    *(f"{_API}/scans", f"{_API}/events", "/api/slaves", "/api/slaves/{slave}", "/metrics"),
    *(f"{_API}/report.json", f"{_API}/report.csv", f"{_API}/SHA256SUMS"),
)

if __name__ == "__main__":
    main(int(sys.argv[1]))
