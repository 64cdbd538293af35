"""A checkout of the project for tests of `make`: the same code and packages, its own .env, data and var."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.acceptance.processes import ROOT

PACKAGES = ("jobs", "storage_backends", "syncf_site", "transfers")
OURS = ("Makefile", ".env.example", "manage.py", "requirements", "templates", *PACKAGES)


def make_checkout(root: Path) -> Path:
    """Copy what runs; the virtual environment is the one the tests run in, and counts as installed."""
    root.mkdir()
    for name in OURS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name)
        else:
            shutil.copy2(ROOT / name, root / name)
    venv = root / ".venv"
    venv.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.suffix != ".stamp":
            (venv / path.name).symlink_to(path)
    for stamp in ("created", "base", "dev", "compiled"):
        (venv / f"{stamp}.stamp").touch()
    return root
