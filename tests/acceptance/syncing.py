"""One word for both stacks: `sync(source, sink)` brings the sink up to date, whatever does it.

On the sqlite stack that is `python -m syncf_site.oneshot`, the whole product in one command. On the postgres stack it
is a job that is run now by a scheduler and a slave, over PostgreSQL and RabbitMQ. Both answer with the same numbers.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from tests.acceptance.people import Person, ourselves
from tests.acceptance.processes import ROOT, Process, Processes, eventually
from tests.acceptance.product import Product
from tests.acceptance.rows import rows
from tests.support.databases import product_environment

SYNC_SECONDS = 120.0


@dataclass
class Outcome:
    """What a sync says of itself."""

    is_clean: bool
    """Nothing failed and the scan saw everything."""
    numbers: dict[str, Any]
    """files, copied, unchanged, skipped, failed, bytes_copied, gone, errors, error …"""
    seconds: float
    text: str = ""
    """What people are told."""

    def counts(self, *names: str) -> tuple[int, ...]:
        """Some of the numbers."""
        return tuple(self.numbers[name] for name in names)


class Syncing(Protocol):
    """Either of the two."""

    def sync(self, source: Path, sink: Path) -> Outcome:
        """Sync to the end; the same two directories again continue the same job."""

    def tasks(self) -> dict[bytes, dict[str, Any]]:
        """Path below the root → its row, of the job that was synced last."""


def _by_path(found: list[dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    return {bytes(row["path"]): row for row in found}


class OneShot:
    """`make sync` without make."""

    def __init__(self, processes: Processes, state: Path, person: Person | None = None) -> None:
        """`state`: where its databases go (XDG_STATE_HOME)."""
        self.state = state
        self._processes, self.person = processes, person or ourselves()
        self.environment = {**product_environment(XDG_STATE_HOME=str(state)), **self.person.variables}
        for name in ("DATABASE_URL", "BROKER_URL", "BASE_PATH"):
            self.environment.pop(name, None)

    def command(self, source: Path | str, sink: Path | str, *options: str) -> list[str]:
        """The words of it."""
        return [*self.person.command, "-m", "syncf_site.oneshot", *options, "--", str(source), str(sink)]

    def start(self, source: Path | str, sink: Path | str, *options: str, **popen: object) -> Process:
        """The command, under way."""
        command = self.command(source, sink, *options)
        return self._processes.start(command, self.environment, **{**self.person.popen, **popen})

    def run(self, source: Path | str, sink: Path | str, *options: str, **popen: object) -> Process:
        """The command, ended."""
        process = self.start(source, sink, *options, **popen)
        process.wait(SYNC_SECONDS)
        return process

    def sync(self, source: Path, sink: Path) -> Outcome:
        """See Syncing."""
        begun = time.monotonic()
        process = self.run(source, sink, "--json")
        seconds = time.monotonic() - begun
        assert process.code in (0, 1), process.err
        return Outcome(process.code == 0, json_of(process), seconds, process.err)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Of the one database there is, or the newest."""
        newest = max((self.state / "syncf").glob("sync-*.sqlite3"), key=lambda file: file.stat().st_mtime_ns)
        return rows(f"sqlite:///{quote(str(newest))}", query)

    def tasks(self) -> dict[bytes, dict[str, Any]]:
        """See Syncing."""
        return _by_path(self.rows("SELECT * FROM jobs_task"))


def json_of(process: Process) -> dict[str, Any]:
    """The object that --json ends stdout with."""
    assert process.out, process.err
    found: dict[str, Any] = json.loads(process.out.splitlines()[-1])
    return found


class Cluster:
    """A scheduler and a slave of a product, started at the first sync; every pair of directories is a job."""

    def __init__(self, product: Product, person: Person) -> None:
        self.product, self._person = product, person
        self._jobs: dict[tuple[Path, Path], uuid.UUID] = {}
        self._last: uuid.UUID | None = None

    def sync(self, source: Path, sink: Path) -> Outcome:
        """See Syncing. Directories must lie below the product's base."""
        job = self._last = self._jobs.get((source, sink)) or self._create(source, sink)
        before, last_scan = self._totals(job), self._scan(job).get("id", 0)
        self._start_once()
        begun = time.monotonic()
        self.product.steer("sync_again", job)
        eventually(lambda: self._is_over(job, last_scan), SYNC_SECONDS, "the sync to end")
        return self._outcome(job, before, time.monotonic() - begun)

    def tasks(self) -> dict[bytes, dict[str, Any]]:
        """See Syncing."""
        assert self._last
        return _by_path(self.product.rows("SELECT * FROM jobs_task WHERE job_id = %s", self._last))

    def _create(self, source: Path, sink: Path) -> uuid.UUID:
        base = self.product.base
        places = (str(place.relative_to(base)) for place in (source, sink))
        job = self.product.create_job(*places, is_due=False)
        self._jobs[source, sink] = job
        return job

    def _start_once(self) -> None:
        if not self.product.processes.alive():
            for command in (("runscheduler",), ("runslave", "slave-001", "--concurrency", "2")):
                whole = [*self._person.command, str(ROOT / "manage.py"), *command]
                environment = {**self.product.environment, **self._person.variables}
                self.product.processes.start(whole, environment, **self._person.popen)

    def _is_over(self, job: uuid.UUID, last_scan: int) -> bool:
        scan = self._scan(job)
        if scan.get("id", 0) <= last_scan or not scan["finished_at"]:
            return False
        if scan["error_code"]:
            return True
        row, active = self.product.job(job), self.product.statuses(job).keys() & {"pending", "in_progress", "retrying"}
        # A job that is to be scanned again because of earlier errors is not completed before that.
        return not active and (row["status"] == "completed" or row["next_scan_at"] is not None)

    def _outcome(self, job: uuid.UUID, before: dict[str, int], seconds: float) -> Outcome:
        scan, totals = self._scan(job), self._totals(job)
        delta = {name: totals.get(name, 0) - before.get(name, 0) for name in totals}
        failed = self.product.rows(
            "SELECT kind, reason_text FROM jobs_task WHERE job_id = %s AND status = 'failed' AND gone_at IS NULL", job
        )
        copied, adopted = delta.get("copied", 0), delta.get("adopted", 0)
        numbers = {
            "copied": copied,
            "unchanged": scan["unchanged"] + adopted,
            "failed": sum(row["kind"] == "file" for row in failed),
            "bytes_copied": delta.get("bytes_copied", 0),
            **{name: scan[name] for name in ("skipped", "gone", "errors")},
            "error": scan["error_code"],
        }
        numbers["files"] = numbers["copied"] + numbers["unchanged"] + numbers["failed"]
        is_clean = not (failed or scan["errors"] or scan["error_code"])
        return Outcome(is_clean, numbers, seconds, "\n".join(row["reason_text"] for row in failed))

    def _scan(self, job: uuid.UUID) -> dict[str, Any]:
        found = self.product.rows("SELECT * FROM jobs_scan WHERE job_id = %s ORDER BY id DESC LIMIT 1", job)
        return found[0] if found else {}

    def _totals(self, job: uuid.UUID) -> dict[str, int]:
        query = "SELECT name, sum(delta) AS n FROM jobs_counter WHERE job_id = %s GROUP BY name"
        return {row["name"]: int(row["n"]) for row in self.product.rows(query, job)}
