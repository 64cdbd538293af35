"""A RabbitMQ of our own: one node in a temporary directory, on free ports of loopback, with an epmd of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pika
import pika.exceptions

from tests.servers import processes
from tests.servers.packages import find_program
from tests.servers.processes import ProcessId

START_SECONDS = 60.0


class PrivateRabbitmq:
    """Runs as the calling user. `settings` are applications' settings, as {"consumer_timeout": 3000}."""

    def __init__(self, settings: Mapping[str, int] | None = None) -> None:
        self._server = find_program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
        self._settings = settings or {}
        self.directory = Path(tempfile.mkdtemp(prefix="syncf-rabbitmq-"))
        self._port, self._distribution_port, self._epmd_port = processes.free_ports(3)
        self._epmd: ProcessId | None = None
        self.process: ProcessId | None = None
        self._write_configuration()

    @property
    def url(self) -> str:
        """The same after a restart."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def processes(self) -> list[ProcessId]:
        """Those that run now."""
        return [process for process in (self.process, self._epmd) if process]

    def start(self) -> None:
        """Returns when it takes logins."""
        if not self._epmd:
            self._epmd = self._spawn(["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)])
        self.process = self._spawn(["/bin/sh", str(self._server)])
        processes.wait_until(lambda: answers(self.url), START_SECONDS, f"RabbitMQ; see {self.directory / 'log'}")

    def stop(self) -> None:
        """An orderly shutdown. Idempotent."""
        if self.process:
            processes.end(self.process, signal.SIGTERM)
            self.process = None

    def kill9(self) -> None:
        """SIGKILL to the node."""
        if self.process:
            processes.kill_group(self.process)
            self.process = None

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints; takes about two seconds."""
        command = [str(self._server.with_name("rabbitmqctl")), *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=True)
        return done.stdout

    def remove(self) -> None:
        """End it and delete its files."""
        self.kill9()
        if self._epmd:
            processes.end(self._epmd, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, command: list[str]) -> ProcessId:
        return processes.start(
            command, log=self.directory / "log", environment=self._environment(), directory=self.directory
        )

    def _write_configuration(self) -> None:
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\nlog.console = false\nlog.file.level = warning\n"
            "disk_free_limit.absolute = 1MB\n"
        )

    def _environment(self) -> dict[str, str]:
        here = self.directory
        erlang = "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
        settings = " ".join(f"-rabbit {name} {value}" for name, value in self._settings.items())
        return {
            "PATH": f"/usr/sbin:{os.environ['PATH']}",
            "HOME": str(here),
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": f"syncf-{self._port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "logs"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(here / "no-such-file"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{erlang} {settings}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
        }


@contextmanager
def private_rabbitmq(settings: Mapping[str, int] | None = None) -> Iterator[PrivateRabbitmq]:
    """A running node that nobody else uses; gone afterwards."""
    server = PrivateRabbitmq(settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def answers(url: str) -> bool:
    """Whether it lets us in."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = 2
    parameters.connection_attempts = 1
    try:
        socket.create_connection((parameters.host, parameters.port), 2).close()  # pika logs a page for each refusal
        pika.BlockingConnection(parameters).close()
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True
