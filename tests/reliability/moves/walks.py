"""Long walks of the state machine: a process on each database, both with the same seed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.reliability.experiments import Verdict
from tests.servers import private_postgres
from tests.support.databases import ROOT, migrate

STEPS = 50
"""Of one story, at most."""
SHOWN = 3000


def walk(steps: int, seed: int) -> list[Verdict]:
    """`steps` steps, half of them on each database."""
    with tempfile.TemporaryDirectory() as directory, private_postgres() as server:
        urls = {"SQLite": f"sqlite:///{Path(directory, 'walk.sqlite3')}", "PostgreSQL": server.url}
        started = [(name, _start(url, steps // 2, seed)) for name, url in urls.items()]
        return [_ended(name, process) for name, process in started]


def _start(url: str, steps: int, seed: int) -> subprocess.Popen[str]:
    migrate(url)
    command = [sys.executable, "-m", "tests.reliability.moves.walks", str(steps), str(seed)]
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "syncf_site.settings"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def _ended(name: str, process: subprocess.Popen[str]) -> Verdict:
    out, err = process.communicate()
    taken = int(json.loads(out)) if process.returncode == 0 else 1
    story = re.sub(r"(?m)^.*state\.(rows_|checkpoints_|totals_|history_).*\n", "", err)
    return Verdict(name, (story[-SHOWN:],) if process.returncode else (), was_struck=True, count=taken)


def main(arguments: Sequence[str]) -> None:
    """Take at least so many steps and print how many it were. Ends with a traceback and the story of what was wrong."""
    import django

    django.setup()
    from tests.reliability.moves.machine import take_steps

    wanted, seed, taken = int(arguments[0]), int(arguments[1]), 0
    while taken < wanted:
        taken += take_steps(machines=max(10, min(200, (wanted - taken) // 40)), steps=STEPS, seed=seed + taken)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1:])
