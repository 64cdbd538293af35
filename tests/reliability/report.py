"""`python -m tests.reliability.report`: all long runs so far, added up, into docs/reliability.md."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.reliability.results import FILES, ROOT

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->"
WHAT = {
    "sweep": "kills, errors, wrong bytes at a call",
    "cuts": "power cuts",
    "zombies": "syncs frozen past their leases, then woken",
    "mutants": "safeties taken out (a violation: nothing noticed)",
    "moves": "moves of a job, its tasks and all who move them, in any order, on both databases",
    "broker-cuts": "times all connections to RabbitMQ were reset under load",
    "broker-kills": "times RabbitMQ was killed by kill -9 and started, under load",
    "database-restarts": "immediate restarts of PostgreSQL under load",
    "uploads": "slaves killed, or frozen past their leases, in an upload to S3 (moto, OpenStack Swift)",
}
GOALS = {
    "sweep": 10_000,
    "cuts": 5000,
    "zombies": 1000,
    "moves": 100_000,
    "broker-cuts": 1000,
    "broker-kills": 60,
    "database-restarts": 200,
    "uploads": 200,
}
"""What a whole long run does of each."""
COUNTS = ("experiments", "struck", "resumed", "violations")


def main() -> None:
    """Write the table."""
    runs = [json.loads(line) for line in FILES["long"].read_text().splitlines()]
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}{_table(runs)}{END}{rest.partition(END)[2]}")


def _table(runs: Iterable[dict[str, Any]]) -> str:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    about: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for name in COUNTS:
            totals[run["what"]][name] += run[name]
        for name in ("commit", "seed", "python", "sqlite", "kernel"):
            about[name].add(str(run[name]))
    lines = ["| what | goal | " + " | ".join(COUNTS) + " |", "|---|---|---|---|---|---|"]
    for what, text in WHAT.items():
        cells = [f"{GOALS[what]:,}" if what in GOALS else "", *(f"{totals[what][name]:,}" for name in COUNTS)]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{name}: {', '.join(sorted(found))}." for name, found in about.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
