"""The processes of an experiment: the real one-shot sync (scheduler, slave, workers), in a child of a nursery.

A nursery has loaded Django once and forks a child for every experiment, so that one takes a fifth of a second. Only the
scale is another: a checkpoint every MiB, leases of a second and a half, retries after a twentieth of a second.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import django

LEASE_SECONDS = 1.5


def main() -> None:
    """Answer the lines on stdin."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings_oneshot"
    django.setup()
    import transfers.management.commands.sync  # noqa: F401 (loaded for all children)
    from transfers.management.memory import keep_what_is_loaded

    keep_what_is_loaded()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(order: dict[str, Any]) -> Any:
    match order["do"]:
        case "start":
            return _start(order)
        case "wait":
            return _wait(order["pid"], order["seconds"])


def _start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _run(order)
    return pid


def _wait(pid: int, seconds: float) -> int | None:
    """The exit code, negative for a signal; None if it has not ended."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.002)


def _run(order: dict[str, Any]) -> NoReturn:
    code = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _scale(order["mutant"])
        _freeze_before(order["freeze_before"])
        _use(order["database"])
        command = import_module(f"transfers.management.commands.{order['argv'][0]}").Command()
        command.run_from_argv(["manage.py", *order["argv"]])
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _use(database: str) -> None:
    from django.db import connections

    connections.databases["default"]["NAME"] = database
    connections["default"].settings_dict["NAME"] = database


def _scale(mutant: str) -> None:
    """Time and sizes for the processes that know the database; see `worker` for those that copy."""
    from jobs import leases, scans, slaves
    from tests.reliability import mutants
    from transfers.engine import pool
    from transfers.oneshot import session
    from transfers.scheduler import scheduler
    from transfers.slave import settling

    slaves.LEASE_SECONDS, slaves.HEARTBEAT_SECONDS, slaves.FENCE_SECONDS = LEASE_SECONDS, 0.3, 0.5  # type: ignore
    scans.SCAN_LEASE_SECONDS, leases.LEADER_LEASE_SECONDS = LEASE_SECONDS, 1  # type: ignore
    settling.RETRY_BASE_SECONDS, settling.PATIENCE_SECONDS, settling.BUSY_PATIENCE_SECONDS = 0.05, 0.1, 0.1
    scheduler.LOOK_SECONDS, scheduler.TURN_SECONDS = 0.05, 0.3
    session.LOOK_SECONDS, session.CHECK_SECONDS, session.UNREACHABLE_SECONDS = 0.03, 0.04, 1.0
    pool.WORKER_MODULE = "tests.reliability.worker"
    os.environ["SYNCF_MUTANT"] = mutant
    mutants.apply(mutant)


def _freeze_before(function: str) -> None:
    """The first time that `module:function` is called, everything stands still before it."""
    if not function:
        return
    from tests.reliability.shim import VARIABLE, Page

    page, (module, _, name) = Page(Path(os.environ[VARIABLE])), function.partition(":")
    home = import_module(module)
    real, calls = getattr(home, name), []

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            page.signal(signal.SIGSTOP)
        return real(*args, **kwargs)

    setattr(home, name, wrapper)


if __name__ == "__main__":
    main()
