"""A PostgreSQL of our own: one cluster in a temporary directory, on a free port of loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg

from tests.servers import processes
from tests.servers.packages import find_program
from tests.servers.processes import ProcessId

START_SECONDS = 30.0


class PrivatePostgres:
    """Trusts everybody on loopback; the superuser is `postgres`. As root it runs as the package's user."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable` keeps fsync on, for tests that kill the machine under it."""
        self._programs = find_program("/usr/lib/postgresql/*/bin/postgres", "postgresql").parent
        self._user = "postgres" if os.geteuid() == 0 else None
        self._durable = durable
        self.directory = Path(tempfile.mkdtemp(prefix="syncf-postgres-"))
        self._data = self.directory / "data"
        self._port = processes.free_ports(1)[0]
        self.process: ProcessId | None = None
        if self._user:
            os.chown(self.directory, pwd.getpwnam(self._user).pw_uid, pwd.getpwnam(self._user).pw_gid)
        self._make_cluster()

    @property
    def url(self) -> str:
        """For psycopg and Django; the same after a restart."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def processes(self) -> list[ProcessId]:
        """Those that run now (its children end with it)."""
        return [self.process] if self.process else []

    def start(self) -> None:
        """Returns when connections are accepted. After a kill the dead server's children may need a moment to end."""
        processes.wait_until(self._starts, START_SECONDS, f"PostgreSQL; see {self.directory / 'log'}")

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """fast: transactions are rolled back; immediate: as after a crash. Idempotent."""
        if self.process:
            processes.end(self.process, {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
            self.process = None

    def kill9(self) -> None:
        """SIGKILL to the postmaster; its children notice and end."""
        if self.process:
            processes.kill_group(self.process)
            self.process = None

    def restart(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_cluster(self) -> None:
        command = [str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*command, "--locale=C.UTF-8", "--no-sync"],
            cwd=self.directory,
            env=self._environment(),
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _starts(self) -> bool:
        process = processes.start(
            [str(self._programs / "postgres"), "-D", str(self._data), *self._options()],
            log=self.directory / "log",
            environment=self._environment(),
            directory=self.directory,
            user=self._user,
        )
        processes.wait_until(lambda: answers(self.url) or not process.is_alive(), START_SECONDS, "PostgreSQL")
        self.process = process if process.is_alive() else None
        return self.process is not None

    def _options(self) -> list[str]:
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self._durable else "off",
            "max_connections": 100,
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LC_ALL": "C.UTF-8"}


@contextmanager
def private_postgres(*, durable: bool = False) -> Iterator[PrivatePostgres]:
    """A running server that nobody else uses; gone afterwards."""
    server = PrivatePostgres(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def answers(url: str) -> bool:
    """Whether we may make databases there."""
    query = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])
