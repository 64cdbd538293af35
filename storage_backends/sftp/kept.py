"""SSH connections that nobody uses any more, for the next one who wants to go to the same place.

A login takes ten times as long as another session over a connection that is there, and a storage is often opened
several times within a second: who creates a job looks at its roots, a slave at its storages, a scan at both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable

import paramiko

KEPT_SECONDS = 2.0

_lock = threading.Lock()
_kept: dict[Hashable, tuple[paramiko.SSHClient, threading.Timer]] = {}

os.register_at_fork(after_in_child=_kept.clear)  # whose socket it would be as well


def keep(address: Hashable, ssh: paramiko.SSHClient) -> None:
    """Close it, unless somebody `take`s it within two seconds. Its sessions must be closed. One for each address."""
    timer = threading.Timer(KEPT_SECONDS, _close, (address, ssh))
    timer.daemon = True
    with _lock:
        is_kept = _is_alive(ssh) and address not in _kept
        if is_kept:
            _kept[address] = ssh, timer
            timer.start()
    if not is_kept:
        ssh.close()


def take(address: Hashable) -> paramiko.SSHClient | None:
    """One that was alive a moment ago."""
    with _lock:
        ssh, timer = _kept.pop(address, (None, None))
    if ssh is None or timer is None:
        return None
    timer.cancel()
    if _is_alive(ssh):
        return ssh
    ssh.close()
    return None


def _close(address: Hashable, ssh: paramiko.SSHClient) -> None:
    with _lock:
        if _kept.get(address, (None,))[0] is ssh:
            del _kept[address]
            ssh.close()


def _is_alive(ssh: paramiko.SSHClient) -> bool:
    transport = ssh.get_transport()
    return transport is not None and transport.is_active()
