"""The processes of an experiment: the real one-shot sync (listers, scheduler, slave, workers), in a child of a nursery.

A nursery has loaded everything once and forks a child for every experiment, which begins with the product's own head
start. A new interpreter for each process would be most of an experiment's work. Only the scale is another: a checkpoint
every MiB, leases of a second and a half, retries after a twentieth of a second.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sqlite3
import sys
import time
import traceback
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import django

LEASE_SECONDS = 1.5
CLEAR_SECONDS = 20.0
LOADED_LATE = ("django.db.models.sql.compiler", "tests.reliability.mutants", "transfers.engine.worker")
"""Besides the command: what each child would import anew."""
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Answer the lines on stdin."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings_oneshot"
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    django.setup()
    import transfers.management.commands.sync  # noqa: F401 (loaded for all children)
    from transfers.engine.memory import keep_what_is_loaded

    for name in LOADED_LATE:
        import_module(name)
    keep_what_is_loaded()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(order: dict[str, Any]) -> Any:
    match order["do"]:
        case "wait":
            return _wait(order["pid"], order["seconds"])
        case "clear":
            return _clear()
        case _:
            return _start(order)


def _start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _run(order)
    return pid


def _wait(pid: int, seconds: float) -> int | None:
    """The exit code, negative for a signal; None if it has not ended."""
    fd = os.pidfd_open(pid)
    try:
        if not select.select([fd], [], [], seconds)[0]:
            return None
    finally:
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _clear() -> bool:
    """Wait until nothing is left of what was killed or ends by itself, orphans included; false: something is."""
    end = time.monotonic() + CLEAR_SECONDS
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return True
    return False


def _run(order: dict[str, Any]) -> NoReturn:
    code = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _use(order["database"])
        {"sync": _sync, "prepare": _prepare}[order["do"]](order)
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


def _prepare(order: dict[str, Any]) -> None:
    """The database as the first sync makes it."""
    from django.db import connections

    from transfers.oneshot.schema import bring_up_to_date

    bring_up_to_date()
    connections.close_all()


def _sync(order: dict[str, Any]) -> None:
    from django.conf import settings

    from transfers.management.commands.sync import Command
    from transfers.oneshot.errands import Place, first_sync, later_sync
    from transfers.oneshot.headstart import HeadStart

    _scale(order["mutant"])
    _freeze_before(order["freeze_before"])
    command = Command()
    trees = [tree for tree in map(Path, order["arguments"][-2:]) if tree.is_dir()]
    places = [Place.of(tree) for tree in trees]
    catalogue = Path(settings.DATABASES["default"]["NAME"])
    if _has_a_job(catalogue):
        command.head_start = HeadStart(later_sync(places, catalogue))
    else:  # as a first sync: its database was made for it beforehand
        command.head_start = HeadStart(first_sync(places, prefetch=next(iter(places), None)))
    command.run_from_argv(["manage.py", "sync", *order["arguments"]])


def _has_a_job(catalogue: Path) -> bool:
    with closing(sqlite3.connect(catalogue)) as rows:
        return rows.execute("SELECT 1 FROM jobs_job").fetchone() is not None


def _scale(mutant: str) -> None:
    """Time and sizes, for all that are forked afterwards."""
    from jobs import leases, scans, slaves
    from tests.reliability import mutants
    from transfers.engine import large, prefetch
    from transfers.oneshot import ending, headstart
    from transfers.scheduler import scheduler
    from transfers.slave import settling

    slaves.LEASE_SECONDS, slaves.HEARTBEAT_SECONDS, slaves.FENCE_SECONDS = LEASE_SECONDS, 0.3, 0.5  # type: ignore
    scans.SCAN_LEASE_SECONDS, leases.LEADER_LEASE_SECONDS = LEASE_SECONDS, 1  # type: ignore
    settling.RETRY_BASE_SECONDS, settling.PATIENCE_SECONDS, settling.BUSY_PATIENCE_SECONDS = 0.05, 0.1, 0.1
    scheduler.TURN_SECONDS, ending.UNREACHABLE_SECONDS = 0.3, 1.0
    headstart.FRESH_SECONDS = prefetch.FRESH_SECONDS = LEASE_SECONDS
    large.CHECKPOINT_BYTES, large.UNSAVED_BYTES = 1 << 20, 2 << 20
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
