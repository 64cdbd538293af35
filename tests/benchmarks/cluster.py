"""SyncF as it runs for many machines: PostgreSQL, RabbitMQ, a scheduler and slaves as processes of their own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.benchmarks.measure import ROOT, peak_of
from tests.servers import ensure_postgres, ensure_rabbitmq
from tests.support.queues import delete_queues

POLL_SECONDS = 0.01
START_SECONDS = 30.0


def environment(**variables: str) -> dict[str, str]:
    """Production settings, whole machine for a base path."""
    fixed = {"DEBUG": "0", "SECRET_KEY": secrets.token_urlsafe(50), "SYNCF_ENV_FILE": os.devnull, "BASE_PATH": "/"}
    fixed["ALLOW_WHOLE_MACHINE"] = "true"
    named = {"ALLOWED_HOSTS": "sync.example.org", "DJANGO_SETTINGS_MODULE": "syncf_site.settings"}
    return {**os.environ, **fixed, **named, "LOG_LEVEL": "WARNING", **variables}


@contextmanager
def database() -> Iterator[str]:
    """A DATABASE_URL that nobody else uses; dropped afterwards."""
    server, name = ensure_postgres(), f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Cluster:
    """A scheduler and slaves, running. A context manager."""

    def __init__(self, url: str, *, slaves: int, concurrency: int) -> None:
        self._broker = ensure_rabbitmq()
        self._env = environment(DATABASE_URL=url, BROKER_URL=self._broker)
        self._call("migrate", "--verbosity=0").wait()
        self._rows = psycopg.connect(url, autocommit=True)
        self.daemons = [self._call("runscheduler")]
        for number in range(slaves):
            self.daemons.append(self._call("runslave", f"bench-{number}", "--concurrency", str(concurrency)))
        steering = [sys.executable, "-m", "tests.acceptance.steer"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._steering = subprocess.Popen(steering, cwd=ROOT, env=self._env, text=True, **pipes)
        self._wait("SELECT count(*) FROM jobs_slave WHERE state = 'online'", slaves)

    def _call(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL)

    def _wait(self, query: str, wanted: object) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (row := self._rows.execute(query).fetchone()) is None or row[0] != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{query} is {row}, not {wanted}")
            time.sleep(0.1)

    def sync(self, source: Path, sink: Path, seconds: float = 600.0) -> float:
        """Seconds from the request to the completed job."""
        places = {"source_type": "local", "source_path": str(source), "sink_type": "local", "sink_path": str(sink)}
        begun = time.perf_counter()
        print(json.dumps([self._env, "create_job", places]), file=self._steering.stdin, flush=True)
        job = json.loads(self._steering.stdout.readline())["result"]  # type: ignore[union-attr]
        while self._status(job) != "completed":
            if time.perf_counter() - begun > seconds:
                raise TimeoutError(f"the job is {self._status(job)}")
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - begun

    def _status(self, job: str) -> str:
        row = self._rows.execute("SELECT status FROM jobs_job WHERE id = %s", [job]).fetchone()
        return row[0] if row else ""

    def peak(self) -> float:
        """MiB of the largest process."""
        return max(peak_of(process.pid) for process in self.daemons)

    def close(self) -> None:
        """End everything and forget the queues."""
        row = self._rows.execute("SELECT identifier FROM jobs_installation").fetchone()
        for process in self.daemons:
            process.terminate()
        for process in self.daemons:
            process.wait()
        self._steering.communicate()
        self._rows.close()
        if row:
            delete_queues(self._broker, f"syncf.{row[0]}")

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
