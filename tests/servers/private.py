"""A server of our own with a temporary directory, on free ports of loopback: what the simple ones have in common."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import processes
from tests.servers.processes import ProcessId

START_SECONDS = 60.0


class PrivateServer(ABC):
    """Runs as the calling user. A subclass says what is started and when it is there."""

    name: str
    ports_needed = 1

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"syncf-{self.name}-"))
        self.ports = processes.free_ports(self.ports_needed)
        self.processes: list[ProcessId] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """The same after a restart."""

    @abstractmethod
    def commands(self) -> Sequence[Sequence[str]]:
        """One process each. Raises ServerMissing."""

    @abstractmethod
    def is_up(self) -> bool:
        """Whether it answers."""

    def environment(self) -> Mapping[str, str]:
        """What the processes see beside PATH and HOME."""
        return {}

    def start(self) -> None:
        """Returns when it answers."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **self.environment()}
        for command in self.commands():
            process = processes.start(
                command, log=self.directory / "log", environment=environment, directory=self.directory
            )
            self.processes.append(process)
        processes.wait_until(self._is_settled, START_SECONDS, f"{self.name}; see {self.directory / 'log'}")
        if not self.is_up():
            raise TimeoutError(f"{self.name} ended at once: {(self.directory / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Idempotent."""
        for process in self.processes:
            processes.end(process, signal.SIGTERM)
        self.processes = []

    def kill9(self) -> None:
        """As when the machine loses power: open connections end too."""
        for process in self.processes:
            processes.end(process, signal.SIGKILL)
        self.processes = []

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_settled(self) -> bool:
        return self.is_up() or not all(process.is_alive() for process in self.processes)


def answers_http(url: str) -> bool:
    """Whether something that speaks HTTP is there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False


def answers_ssh(url: str) -> bool:
    """Whether an SSH server is there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 22), 2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
