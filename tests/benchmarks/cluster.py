"""SyncF as it runs for many machines: PostgreSQL, RabbitMQ, a web server, a scheduler and slaves as processes of their
own. Jobs are asked for over the API, as by an operator's script."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.benchmarks.measure import ROOT, peak_of
from tests.servers import ensure_postgres, ensure_rabbitmq, processes
from tests.servers.private import answers_http
from tests.support.queues import delete_queues

POLL_SECONDS = 0.01
START_SECONDS = 30.0
WEB = ("syncf_site.wsgi", "--config", "python:syncf_site.web")
WARM_REQUESTS = 20
"""So that each of the web server's processes has answered before."""


def environment(**variables: str) -> dict[str, str]:
    """Production settings, whole machine for a base path."""
    fixed = {"DEBUG": "0", "SECRET_KEY": secrets.token_urlsafe(50), "SYNCF_ENV_FILE": os.devnull, "BASE_PATH": "/"}
    fixed["ALLOW_WHOLE_MACHINE"] = "true"
    fixed["PYTHONWARNINGS"] = "ignore"  # no static files are collected
    named = {"ALLOWED_HOSTS": "127.0.0.1", "DJANGO_SETTINGS_MODULE": "syncf_site.settings"}
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
        self._address = f"127.0.0.1:{processes.free_ports(1)[0]}"
        self.daemons.append(self._start("-m", "gunicorn", *WEB, "--bind", self._address))
        self._token = self._sign_up()
        self._wait("SELECT count(*) FROM jobs_slave WHERE state = 'online'", slaves)
        processes.wait_until(partial(answers_http, f"http://{self._address}/health"), START_SECONDS, "the web server")
        for _ in range(WARM_REQUESTS):
            self._ask("GET")

    def _call(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._start(str(ROOT / "manage.py"), *arguments)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL)

    def _sign_up(self) -> str:
        steering = [sys.executable, "-m", "tests.acceptance.steer"]
        asked = json.dumps([self._env, "sign_up", {}])
        answer = subprocess.check_output(steering, cwd=ROOT, env=self._env, input=asked, text=True)
        token: str = json.loads(answer)["result"]
        return token

    def _wait(self, query: str, wanted: object) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (row := self._rows.execute(query).fetchone()) is None or row[0] != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{query} is {row}, not {wanted}")
            time.sleep(0.1)

    def _ask(self, method: str, body: Mapping[str, str] | None = None) -> Any:
        """/api/jobs, by way of a proxy that ends TLS."""
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        headers["X-Forwarded-Proto"] = "https"
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://{self._address}/api/jobs", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            return json.load(answer)

    def sync(self, source: Path, sink: Path, seconds: float = 600.0) -> float:
        """Seconds from the request to the completed job."""
        places = {"source_type": "local", "source_path": str(source), "sink_type": "local", "sink_path": str(sink)}
        begun = time.perf_counter()
        job = self._ask("POST", places)["job_id"]
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
        self._rows.close()
        if row:
            delete_queues(self._broker, f"syncf.{row[0]}")

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
