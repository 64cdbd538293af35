"""`manage.py run`: web, scheduler and one slave on this machine, in one terminal."""

from __future__ import annotations

import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from jobs.accounts import FirstLogin, first_login
from jobs.management.checked import CheckedCommand
from transfers.management.locking import try_lock
from transfers.management.numbers import whole_number
from transfers.management.startup import refuse_unready
from transfers.management.supervisor import Child, Supervisor, manage
from transfers.signals import StopFlag

HOST = "127.0.0.1"
START_SECONDS = 60


class Command(CheckedCommand):
    """Run everything on this machine."""

    help = "Run web, scheduler and one slave on this machine until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--port", type=whole_number(65535), default=8080, help="on 127.0.0.1 (default 8080)")
        parser.add_argument("--no-slave", action="store_true", help="web and scheduler only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, say where to go, run until SIGTERM or Ctrl-C."""
        port: int = options["port"]
        os.chdir(settings.ROOT)
        lock = try_lock(_private_folder() / "run.lock")
        if lock is None:  # two of them would start two slaves of one name
            raise CommandError("SyncF runs here already; end that one first (Ctrl-C in its terminal).")
        _refuse_taken(port)
        refuse_unready()
        folder = _private_folder()
        login = first_login(folder)
        flag = StopFlag()
        children = _children(port, with_slave=not options["no_slave"])
        supervisor = Supervisor(children, self.stderr.write)
        self.stdout.write(f"Starting {', '.join(child.name for child in children)}")
        self.stdout.flush()
        supervisor.start()
        try:
            if self._is_up(port, flag):
                self._greet(port, login, folder)
        except BaseException:
            supervisor.stop()
            raise
        with lock:
            supervisor.run(flag.wait)

    def _is_up(self, port: int, flag: StopFlag) -> bool:
        for _ in range(START_SECONDS * 5):
            if flag.wait(0.2):
                return False
            try:
                urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5).close()
            except (urllib.error.URLError, OSError):
                continue
            return True
        raise CommandError(f"The web site did not answer on port {port} within {START_SECONDS} s; its log is above.")

    def _greet(self, port: int, login: FirstLogin, folder: Path) -> None:
        self.stdout.write(
            f"\nSyncF runs at   http://{HOST}:{port}\n"
            f"  admin login   {login.user} / {login.password}\n"
            f"  API token     {login.token}   (also in {folder / 'api-token'})\n"
            f"  directories   jobs see what lies below {settings.BASE_PATH}\n"
            "Ctrl-C ends it.\n"
        )
        self.stdout.flush()


def _children(port: int, *, with_slave: bool) -> list[Child]:
    web = [sys.executable, "-m", "gunicorn", "syncf_site.wsgi", "--config", "python:syncf_site.web"]
    web += ["--bind", f"{HOST}:{port}"]
    children = [Child("web", web), Child("scheduler", manage("runscheduler"))]
    if with_slave:
        children.append(Child("slave-001", manage("runslave", "slave-001"), may_finish=True))
    return children


def _private_folder() -> Path:
    """Where the login is kept: beside an SQLite database, which it belongs to, else in var/."""
    database = settings.DATABASES["default"]
    is_file = database["ENGINE"].endswith("sqlite3")
    folder = Path(database["NAME"]).parent if is_file else Path(settings.ROOT) / "var"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = f"Port {port} can't be used ({error.strerror}). Choose another one: PORT=8081"
            raise CommandError(message) from error
