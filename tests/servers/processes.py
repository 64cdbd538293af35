"""Server processes of ours: started in a process group of their own, found again and ended by pid, never by name."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those this process started itself: they have to be waited for."""


class ProcessId(NamedTuple):
    """A pid together with when it began: a number that was given to another process since is not ours."""

    pid: int
    began: int
    """Clock ticks since boot, field 22 of /proc/<pid>/stat."""

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Raises FileNotFoundError or ProcessLookupError if it has ended."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        """False for a zombie too."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state != "Z" and ProcessId.of(self.pid) == self
        except (FileNotFoundError, ProcessLookupError):
            return False


def start(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], directory: Path, user: str | None = None
) -> ProcessId:
    """Start a server that outlives this process unless it is ended."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=directory,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            preexec_fn=_hear_signals,
        )
    _children[process.pid] = process
    return ProcessId.of(process.pid)


def _hear_signals() -> None:
    """A shell starts what it puts in the background deaf to these two, and a server would inherit that."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def end(process: ProcessId, signal_number: int) -> None:
    """Send the signal, wait for the end, then kill whatever is left of the process group and of its descendants, which
    may be in sessions of their own (sshd's are: they would go on serving their clients). Idempotent."""
    if not process.is_alive():
        return
    offspring = descendants(process)
    os.kill(process.pid, signal_number)
    with suppress(TimeoutError):
        wait_until(lambda: not process.is_alive(), STOP_SECONDS, f"the end of process {process.pid}")
    kill_group(process)
    for one in offspring:
        if one.is_alive():
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: not any(one.is_alive() for one in offspring), STOP_SECONDS, f"the end of {offspring}")


def descendants(process: ProcessId) -> list[ProcessId]:
    """Its children, and theirs, as long as their parents live."""
    found: list[ProcessId] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                child = ProcessId.of(int(pid))
                found += [child, *descendants(child)]
    return found


def kill_group(process: ProcessId) -> None:
    """SIGKILL to the whole process group, and wait until its leader is gone. Only for a process that was just alive."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if child := _children.pop(process.pid, None):
        child.wait(STOP_SECONDS)
    wait_until(lambda: not process.is_alive(), STOP_SECONDS, f"the end of process {process.pid}")


def wait_until(is_true: Callable[[], bool], seconds: float, what: str) -> None:
    """Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on. Below the ephemeral range (32768 on), where a client that tries again
    and again while the server is down may one day be given that very port and be connected to itself."""
    with ExitStack() as stack:
        ports: list[int] = []
        for port in random.sample(range(20_000, 32_000), 200):
            with suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError("no free ports on loopback")
