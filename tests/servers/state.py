"""What ``up`` has started, remembered for ``down`` in a file outside the tree."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.servers import processes
from tests.servers.processes import ProcessId


class Record(NamedTuple):
    """One server that runs on."""

    kind: str
    url: str
    directory: str
    processes: list[ProcessId]

    def is_running(self) -> bool:
        """Whether it is still that server: after a restart of the machine its port may be another one's."""
        return all(process.is_alive() for process in self.processes)

    def end(self) -> None:
        """A throw-away server: no orderly shutdown, and its files go too."""
        for process in self.processes:
            processes.end(process, signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)


def load() -> list[Record]:
    """Empty where nothing was started."""
    try:
        rows = json.loads(_file().read_text())
    except FileNotFoundError:
        return []
    return [Record(kind, url, directory, [ProcessId(*pair) for pair in pairs]) for kind, url, directory, pairs in rows]


def save(records: Sequence[Record]) -> None:
    """Replace what is remembered."""
    temporary = _file().with_suffix(".new")
    temporary.write_text(json.dumps(records))
    temporary.replace(_file())


@contextmanager
def locked(what: str = "servers") -> Iterator[None]:
    """One ``up`` or ``down``, or one installation of `what`, at a time."""
    with (cache() / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cache() -> Path:
    """The folder outside the tree for what is kept from one run to the next."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path("/var/cache/syncf-tests") if os.geteuid() == 0 else home / "syncf-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file() -> Path:
    return cache() / "servers.json"
