"""Which machine and which process this is, so that leases and per-machine directories can name them."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path


@cache
def machine_id() -> str:
    """Stable for this machine while its directories stay the same: hash of machine id and host name (a container
    has its own host name even where it shares the machine id)."""
    known = _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id")
    return hashlib.sha256(f"{known}\0{socket.gethostname()}".encode()).hexdigest()[:32]


def process_identity() -> str:
    """Names this process so that another one on the same machine can tell whether it still runs."""
    pid = os.getpid()
    return f"{_namespace()}:{pid}:{_started(pid)}"


def is_dead_here(identity: str) -> bool:
    """True only if `identity` belongs to this machine and pid namespace and the process is gone (a reused pid does
    not count as alive). False when that can't be told."""
    namespace, _, process = identity.rpartition("/")[2].partition(":")
    pid, _, started = process.partition(":")
    if f"{identity.rpartition('/')[0]}/{namespace}" != _namespace() or not started.isdigit():
        return False
    return _started(int(pid)) != int(started) and not _is_hidden(int(pid))


@cache
def _namespace() -> str:
    try:
        inode = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return f"{machine_id()[:12]}/"
    return f"{machine_id()[:12]}/{inode}"


def _started(pid: int) -> int:
    """Clock ticks from boot to the start of a process; 0 if there is none, or only what is left of one that nobody
    waited for (in a container without an init that can be for ever)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def _is_hidden(pid: int) -> bool:
    """A live process of another user that /proc does not show (hidepid)."""
    if _read(f"/proc/{pid}/stat"):
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
