"""The servers' programs: found, installed by root on Debian, or asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program whether a package may start its service; 101 means no."""


class ServerMissing(Exception):
    """A server is neither running nor installed; the text says what to type."""


def find_program(pattern: str, package: str) -> Path:
    """The newest program that matches the glob `pattern` (absolute), after installing `package` if need be.

    Raises ServerMissing."""
    if not (found := _newest(pattern)):
        _install(package)
        found = _newest(pattern)
    if not found:
        raise ServerMissing(f"{package} is installed, but there is no {pattern}")
    return found


def _newest(pattern: str) -> Path | None:
    found = Path("/").glob(pattern.removeprefix("/"))
    return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


def _install(package: str) -> None:
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServerMissing(f"{package} is needed for these tests. Type: sudo {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        with _no_services_started():
            subprocess.run(["apt-get", "update"], env=environment, stdout=sys.stderr)
            subprocess.run(command, env=environment, stdout=sys.stderr, check=True)
    except subprocess.CalledProcessError as error:
        raise ServerMissing(f"{package} could not be installed ({error}); see the output above") from error


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Packages are unpacked, but no system service comes up. An administrator's own policy stays as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
