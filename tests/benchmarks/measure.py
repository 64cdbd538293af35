"""One command, timed from outside: wall clock, CPU of all its processes, memory of the largest, CPU of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = Path(__file__).with_name("launch.py")


class Run(NamedTuple):
    """What a command took. Seconds and MiB."""

    wall: float
    cpu: float
    peak: float
    machine: float
    code: int
    out: str
    err: str


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Run to the end, from the project's directory. Raises InterruptedError if somebody ends what measures it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile("r") as report:
        busy = machine_seconds()
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), report.name, *argv]
        subprocess.run(
            launcher, env={**os.environ, **(env or {})}, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        busy = machine_seconds() - busy
        figures = report.read().split()
        if not figures:
            raise InterruptedError(f"{argv[0]} was ended from outside")
        wall, cpu, peak, code = map(float, figures)
        return Run(wall, cpu, peak / 1024, busy, int(code), _text(out), _text(err))


def _text(file: object) -> str:
    file.seek(0)  # type: ignore[attr-defined]
    return str(file.read().decode(errors="replace"))  # type: ignore[attr-defined]


def machine_seconds() -> float:
    """CPU seconds this machine has spent on anything, servers and kernel threads included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> float:
    """Peak memory of a running process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def settle() -> None:
    """Everything written so far is on disk, so that nobody pays for another's writes."""
    os.sync()
