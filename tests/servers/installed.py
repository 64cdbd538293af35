"""Test servers that come as packages: installed once, from locked requirements, outside the tree.

Each has a folder of its own whose name carries the digest of its lock file, so a changed lock makes a new one. A stamp
is put into it last, so an interrupted installation is never taken for a whole one; it begins anew. (Made elsewhere and
renamed it can't be: the programs of a virtual environment hold its path.)
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.servers import state
from tests.servers.packages import ServerMissing, find_program

LOCKS = Path(__file__).parent / "requirements"


def python_packages(name: str) -> Path:
    """The `bin` of a virtual environment with `requirements/<name>.txt`. Raises ServerMissing."""
    lock = LOCKS / f"{name}.txt"

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=sys.stderr)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)], check=True, stdout=sys.stderr)

    return _installed(name, lock, install) / "bin"


def node_packages(name: str) -> Path:
    """The `node_modules/.bin` of `requirements/<name>/package-lock.json`. Raises ServerMissing."""
    npm = find_program("/usr/bin/npm", "npm")
    lock = LOCKS / name / "package-lock.json"

    def install(folder: Path) -> None:
        folder.mkdir()
        for file in lock.parent.iterdir():
            shutil.copy(file, folder)
        command = [str(npm), "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)

    return _installed(name, lock, install) / "node_modules/.bin"


def _installed(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = state.cache() / f"{name}-{digest}"
    stamp = folder / "whole"
    with state.locked(name):
        if stamp.exists():
            return folder
        print(f"{name}: installing it for the tests, once, into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            install(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ServerMissing(f"{name} could not be installed ({error}); see the output above") from error
        stamp.touch()
    return folder
