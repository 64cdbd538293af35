"""What a run found: a table for people, and a line for each stage in a file, so that long runs add up."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.reliability.experiments import Verdict

ROOT = Path(__file__).resolve().parents[2]
FILES = {"long": ROOT / "docs" / "reliability.jsonl", "fast": ROOT / "var" / "reliability" / "results.jsonl"}
"""Long runs are kept with the page that tells of them."""
VARIABLE = "SYNCF_RELIABILITY_RESULTS"
SHOWN = 10


class Result(NamedTuple):
    """One stage."""

    stage: str
    what: str
    verdicts: Sequence[Verdict]

    @property
    def bad(self) -> list[Verdict]:
        """Those with violations."""
        return [verdict for verdict in self.verdicts if verdict.violations]

    @property
    def struck(self) -> int:
        """Experiments whose fault came; the others were over before."""
        return sum(verdict.was_struck * verdict.count for verdict in self.verdicts)

    @property
    def done(self) -> int:
        """All experiments."""
        return sum(verdict.count for verdict in self.verdicts)

    @property
    def is_good(self) -> bool:
        """No violation, and something was really done: a harness that strikes nothing proves nothing."""
        return not self.bad and self.struck > 0

    def counts(self) -> dict[str, int]:
        """For the file."""
        resumed = sum(verdict.was_resumed for verdict in self.verdicts)
        return {"experiments": self.done, "struck": self.struck, "resumed": resumed, "violations": len(self.bad)}


def append(result: Result, seed: int, tier: str) -> None:
    """One line."""
    file = Path(os.environ.get(VARIABLE, FILES[tier]))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps({**_about(seed), "tier": tier, "what": result.stage, **result.counts()}) + "\n")


def _about(seed: int) -> dict[str, Any]:
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "kernel": platform.release()}
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "seed": seed, "commit": _commit(), **versions}


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def table(results: Sequence[Result], seed: int, plan: str) -> str:
    """For people; a violation comes with the command that repeats it. `plan`: the options that the counts came from."""
    lines = []
    for result in results:
        lines.append(f"{result.stage:17} {result.done:7,} {result.what}: {result.struck:,} struck,")
        lines[-1] += f" {len(result.bad)} violations"
        if result.stage == "mutants":
            lines += [f"  {verdict.name}" for verdict in result.verdicts]
        for verdict in result.bad[:SHOWN]:
            lines.append(f"  {verdict.name}")
            lines += [f"    {text}" for text in verdict.violations]
            number = verdict.name.partition(":")[0]
            again = f"{plan}--only {result.stage} --seed {seed}" + (f" --number {number}" if number.isdigit() else "")
            lines.append(f"    again: python -m tests.reliability {again}")
    return "\n".join(lines)
