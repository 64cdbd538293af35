"""`python -m tests.benchmarks.console [--tasks N] [--write]`: every page and address of the console beside a million
tasks; `--write` puts the table into docs/console.md.

Ends with 1 if one takes longer than `MOST_MILLISECONDS`, or asks more queries than beside ten thousand tasks.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from tests.benchmarks.cluster import database, environment
from tests.benchmarks.console_driver import Cost
from tests.benchmarks.measure import ROOT

MOST_MILLISECONDS = 200.0
PAGE = ROOT / "docs" / "console.md"
MARK = "<!-- Written by `python -m tests.benchmarks.console --write`. -->"


def main() -> int:
    """Print a table; how many addresses are too slow, as an exit code of 0 or 1."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.console", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)} as well")
    arguments = parser.parse_args()
    sqlite, postgres = _measured(arguments.tasks)
    print(table(sqlite, postgres))
    if arguments.write:
        write(table(sqlite, postgres), arguments.tasks)
    return int(any(is_too_dear(cost) for cost in sqlite + postgres))


def _measured(tasks: int) -> tuple[list[Cost], list[Cost]]:
    with ExitStack() as ends:
        directory = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="syncf-bench-")))
        sqlite = _costs(f"sqlite:///{directory / 'console.sqlite3'}", tasks)
        return sqlite, _costs(ends.enter_context(database()), tasks)


def write(table: str, tasks: int) -> None:
    """Replace what stands behind the mark in the page."""
    before, mark, _ = PAGE.read_text().partition(MARK)
    heading = f"{tasks:,} tasks, {date.today():%Y-%m-%d}, Python {platform.python_version()}:"
    PAGE.write_text(f"{before}{mark}\n\n{heading}\n\n{table}\n")


def _costs(url: str, tasks: int) -> list[Cost]:
    command = [sys.executable, "-m", "tests.benchmarks.console_driver", str(tasks)]
    done = subprocess.run(command, cwd=ROOT, env=environment(DATABASE_URL=url), stdout=subprocess.PIPE, check=True)
    return [Cost(**each) for each in json.loads(done.stdout)]


def is_too_dear(cost: Cost) -> bool:
    """Whether a promise is broken."""
    return cost.milliseconds > MOST_MILLISECONDS or cost.queries_many > cost.queries_few


def table(sqlite: list[Cost], postgres: list[Cost]) -> str:
    """As Markdown."""
    lines = ["| address | SQLite, ms | PostgreSQL, ms | queries |", "|---|---|---|---|"]
    for one, other in zip(sqlite, postgres, strict=True):
        mark = " **too dear**" if is_too_dear(one) or is_too_dear(other) else ""
        asked = " / ".join(dict.fromkeys(f"{cost.queries_many}" for cost in (one, other)))
        lines.append(f"| `{one.address}`{mark} | {one.milliseconds:.0f} | {other.milliseconds:.0f} | {asked} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
