"""Which machine and which process this is, so that leases and per-machine directories can name them."""

from __future__ import annotations

import hashlib
import socket
from functools import cache
from pathlib import Path


@cache
def machine_id() -> str:
    """Stable for this machine while its directories stay the same: hash of machine id and host name (a container
    has its own host name even where it shares the machine id)."""
    known = _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id")
    return hashlib.sha256(f"{known}\0{socket.gethostname()}".encode()).hexdigest()[:32]


def process_started(pid: int) -> int:
    """Clock ticks from boot to the start of process `pid`; 0 if there is no such process (or no /proc)."""
    stat = _read(f"/proc/{pid}/stat")
    return int(stat.rpartition(")")[2].split()[19]) if stat else 0


def is_alive_here(pid: int, started: int) -> bool:
    """Whether exactly that process still runs on this machine (a reused pid does not count)."""
    return started != 0 and process_started(pid) == started


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""

