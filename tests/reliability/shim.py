"""The page through which `shim.c` is told when to strike, and tells what it struck."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

VARIABLE = "SYNCF_SHIM_PAGE"
SOURCE = Path(__file__).with_name("shim.c")
MOST_PROCESSES = 64


class Action(IntEnum):
    """What happens at the call."""

    NOTHING = 0
    KILL = 1
    FREEZE = 2
    FAIL = 3
    SHORTEN = 4
    GARBLE = 5


class Strike(NamedTuple):
    """One fault: at the `target`-th call (1 is the first) this happens."""

    target: int
    action: Action
    error: int = 0
    stays: bool = False
    only: str = ""
    """Count calls of this name alone."""

    def __str__(self) -> str:
        what = errno.errorcode[self.error] if self.action is Action.FAIL else self.action.name
        return f"{what}{' from' if self.stays else ' at'} {self.only or 'call'} {self.target}"


class _Page(ctypes.Structure):
    _fields_ = (
        ("is_armed", ctypes.c_uint32),
        ("action", ctypes.c_uint32),
        ("counter", ctypes.c_uint64),
        ("target", ctypes.c_uint64),
        ("error", ctypes.c_int32),
        ("stays", ctypes.c_uint32),
        ("struck", ctypes.c_uint64),
        ("processes", ctypes.c_uint32),
        ("pids", ctypes.c_int32 * MOST_PROCESSES),
        ("call", ctypes.c_char * 32),
        ("prefix", ctypes.c_char * 512),
        ("only", ctypes.c_char * 32),
    )


def build(directory: Path) -> Path:
    """The library, compiled. Raises RuntimeError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the fault injection needs a C compiler. On Debian: apt-get install gcc libc6-dev")
    library = directory / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Page:
    """Shared with every process of one nursery."""

    def __init__(self, file: Path) -> None:
        """Made, if it is not there yet."""
        self.file = file
        with file.open("ab") as new:
            new.truncate(ctypes.sizeof(_Page))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), ctypes.sizeof(_Page))
        self._page = _Page.from_buffer(self._map)

    def arm(self, prefix: Path, strike: Strike | None) -> None:
        """Count from now on, and strike if told to."""
        ctypes.memset(ctypes.byref(self._page), 0, ctypes.sizeof(_Page))
        self._page.prefix = os.fsencode(prefix)
        if strike:
            self._page.target, self._page.action = strike.target, strike.action
            self._page.error, self._page.stays, self._page.only = strike.error, strike.stays, strike.only.encode()
        self._page.is_armed = 1

    def disarm(self) -> None:
        """Strike no more; nobody is left."""
        self._page.is_armed = self._page.processes = 0

    @property
    def counter(self) -> int:
        """Calls so far."""
        return int(self._page.counter)

    @property
    def has_struck(self) -> bool:
        """Whether the fault came."""
        return bool(self._page.struck)

    @property
    def call(self) -> str:
        """The call that was struck first."""
        return str(self._page.call.decode())

    @property
    def enrolled(self) -> int:
        """Processes so far."""
        return min(int(self._page.processes), MOST_PROCESSES)

    def signal(self, number: signal.Signals, *, only: int | None = None) -> None:
        """To every process of the experiment, or the `only` first ones; to this one last, if it is one of them."""
        pids = list(self._page.pids)[: self.enrolled if only is None else only]
        for pid in sorted(pids, key=lambda pid: pid == os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
