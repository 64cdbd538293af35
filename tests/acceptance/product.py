"""One installation of the product with a database, a BASE_PATH and processes of its own. Ask for the fixture `product`.

::

    job = product.create_job("source", "sink")            # directories below product.base
    product.start_scheduler(); slave = product.start_slave("slave-001")
    eventually(lambda: product.job(job)["status"] == "completed", 30, "the job to complete")
    product.rows("SELECT status, count(*) AS n FROM jobs_task GROUP BY status")
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.acceptance.processes import ROOT, Process, Processes, eventually
from tests.acceptance.rows import forget, rows
from tests.servers.processes import free_ports
from tests.support.databases import product_environment
from tests.support.queues import delete_queues

START_SECONDS = 30.0


@cache
def _steering() -> tuple[IO[str], IO[str]]:
    """Requests to what steers all products of this process, and its answers. It ends with us. Without the environment
    that comes with a request it would know no table."""
    environment = product_environment(DATABASE_URL="sqlite:///:memory:")
    command = [sys.executable, "-m", "tests.acceptance.steer"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]
    atexit.register(process.communicate)
    return process.stdin, process.stdout


class Product:
    """The product on a fresh database. Directories of jobs lie below `base`."""

    def __init__(self, processes: Processes, *, database_url: str, base: Path, **variables: str) -> None:
        self.processes, self.base, self._url = processes, base, database_url
        base.mkdir(parents=True, exist_ok=True)
        self.environment = product_environment(
            DATABASE_URL=database_url, BASE_PATH=str(base), LOG_LEVEL="INFO", **variables
        )

    # ── processes ─────────────────────────────────────────────────────────────────────────────────────────────

    def start_scheduler(self, *arguments: str, **variables: str) -> Process:
        """`manage.py runscheduler`."""
        return self.processes.manage("runscheduler", *arguments, environment={**self.environment, **variables})

    def start_slave(self, name: str = "slave-001", *, concurrency: int = 2, **variables: str) -> Process:
        """`manage.py runslave NAME`, not yet signed on."""
        arguments = ("runslave", name, "--concurrency", str(concurrency))
        return self.processes.manage(*arguments, environment={**self.environment, **variables})

    def start_web(self, **variables: str) -> Api:
        """gunicorn, answering; a client with the key of a new superuser, admin."""
        port = free_ports(1)[0]
        environment = {**self.environment, **variables}
        command = [sys.executable, "-m", "gunicorn", "syncf_site.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        command.append("--no-control-socket")  # it would be the same file for every gunicorn of this user
        api = Api(self.processes.start(command, environment), f"http://127.0.0.1:{port}", self._call("sign_up"))
        eventually(api.is_up, START_SECONDS, "the web server to answer")
        return api

    def manage(self, *arguments: str, **variables: str) -> str:
        """Run `manage.py ARGUMENTS` to its end; its stdout. Fails with its stderr."""
        return self._run([str(ROOT / "manage.py"), *arguments], **variables)

    # ── jobs ──────────────────────────────────────────────────────────────────────────────────────────────────

    def create_job(self, source: str, sink: str, **options: Any) -> uuid.UUID:
        """A job between two directories of `base`; `options` are those of jobs.services (interval in seconds)."""
        places = {"source_type": "local", "source_path": source, "sink_type": "local", "sink_path": sink}
        return uuid.UUID(self._call("create_job", **{**places, **options}))

    def steer(self, action: str, job: uuid.UUID, **arguments: Any) -> None:
        """run_now, pause_job, resume_job, kill_job, retry_failed or update_options, as the services do it."""
        self._call(action, job=str(job), **arguments)

    def _call(self, action: str, **arguments: Any) -> Any:
        requests, answers = _steering()
        print(json.dumps([self.environment, action, arguments]), file=requests, flush=True)
        answer = json.loads(answers.readline() or '{"error": "nobody is there to do it"}')
        assert "error" not in answer, f"{action}: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        """Forget the queues. The processes are ended by `Processes`, before this."""
        self.forget_queues()
        forget(self._url)

    def _run(self, arguments: list[str], **variables: str) -> str:
        environment = {**self.environment, **variables}
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    # ── rows, read only ───────────────────────────────────────────────────────────────────────────────────────

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with %s for parameters; a UUID may be one on both databases. Blobs come as bytes."""
        return rows(self._url, query, *parameters)

    def value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row; None without a row."""
        found = self.rows(query, *parameters)
        return next(iter(found[0].values())) if found else None

    def job(self, job: uuid.UUID) -> dict[str, Any]:
        """The job's row."""
        return self.rows("SELECT * FROM jobs_job WHERE id = %s", job)[0]

    def statuses(self, job: uuid.UUID) -> dict[str, int]:
        """Status → how many tasks."""
        counted = self.rows("SELECT status, count(*) AS n FROM jobs_task WHERE job_id = %s GROUP BY status", job)
        return {row["status"]: row["n"] for row in counted}

    def wait_for_job(self, job: uuid.UUID, status: str = "completed", seconds: float = 60.0) -> None:
        """Wait until the job has the status."""
        eventually(lambda: self.job(job)["status"] == status, seconds, f"the job to be {status}")

    def forget_queues(self) -> None:
        """Delete this installation's queues from the broker, whose server outlives the test. Nothing if it is down."""
        url = self.environment["BROKER_URL"]
        identifier = self.value("SELECT identifier FROM jobs_installation")
        if url.startswith("amqp") and identifier:
            delete_queues(url, f"syncf.{identifier}")


class Api:
    """A client of a running web server."""

    def __init__(self, process: Process, address: str, token: str) -> None:
        self.process, self.address, self._token = process, address, token

    def is_up(self) -> bool:
        """Whether /health answers; fails if the server has ended."""
        assert self.process.code is None, self.process.err
        try:
            return self("GET", "/health")[0] in (200, 503)
        except urllib.error.URLError:
            return False

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """(status, JSON) of a request, whatever the status."""
        status, text = self._ask(method, path, body)
        return status, json.loads(text)

    def text(self, path: str) -> str:
        """The body that GET answers with, whatever the status and whatever they are."""
        return self._ask("GET", path, None)[1].decode(errors="backslashreplace")

    def _ask(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
