"""The report: one document for people, one file for programs."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
from datetime import date
from pathlib import Path

from tests.benchmarks.contenders import CHECKED, DURABLE, PLAIN, Contender
from tests.benchmarks.goals import GOALS
from tests.benchmarks.results import Results

TITLES = {
    "a": "a: 10,000 files of 4 KiB in 100 directories, first sync",
    "b": "b: 100,000 files of 1 KiB in 100 directories, first sync",
    "c": "c: one file of 2 GiB, first sync",
    "d": "d: a mixed tree of real files, first sync",
    "e-a": "e: a again, nothing changed",
    "e-b": "e: b again, nothing changed",
    "e-d": "e: d again, nothing changed",
    "f": "f: b again, 1 % of the files changed",
    "g": "g: c interrupted half-way, run again to the end",
    "h": "h: a scan of unchanged files, the scheduler alone",
    "i": "i: PostgreSQL + RabbitMQ",
    "parts": "Parts by themselves",
    **{
        f"{kind}-{what}-{way}": f"s: {name}, {text} {way}"
        for kind, name in {"s3": "S3", "gcs": "Google Cloud Storage", "azure": "Azure Blob", "sftp": "SFTP"}.items()
        for what, text in {"small": "2,000 files of 4 KiB", "big": "one file of 512 MiB"}.items()
        for way in ("up", "down")
    },
}


def write(results: Results, contenders: list[Contender], facts: dict[str, str], notes: str) -> str:
    """The document."""
    failed = [f"- {name} did not come to its end: {why}" for name, why in results.failed.items()]
    sections = [_head(facts), *(["\n".join(failed)] if failed else []), _goals(results), notes.strip()]
    sections += [_table(results, name) for name in TITLES if name in results.samples]
    return "\n\n".join([*sections, _commands(contenders)]) + "\n"


def _head(facts: dict[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    about = (
        "Written by `make bench`; do not edit (the prose is in tests/benchmarks/notes.md). Seconds are wall clock of "
        "whole processes, start-up included, medians of the rounds; SyncF reads everything back, compares it and is "
        "durable when it ends. What counts against it is a peer followed by `sync -f` of the sink. Only ratios within "
        "one table mean anything: the machine is shared, and absolute times drift."
    )
    return "\n".join(["# Performance", "", about, "", *lines])


def _goals(results: Results) -> str:
    rows = ["## Goals", "", "| goal | must | aim | reached | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        value = goal.reached(results)
        shown = "–" if value is None else _figure(value, goal.unit)
        limits = (_figure(goal.must, goal.unit), _figure(goal.aim, goal.unit))
        rows.append(f"| {goal.text} | {limits[0]} | {limits[1]} | {shown} | {goal.verdict(value)} |")
    return "\n".join(rows)


def _figure(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value:,.0f} B"
    return f"{value:.0f} µs" if unit == "µs" else f"{value:.2f}"


def _table(results: Results, workload: str) -> str:
    head = "| | s | then durable | then checked | SyncF is, durable | CPU s | machine CPU s | peak MB | rounds |"
    rows = [f"## {TITLES[workload]}", "", head, "|---|---|---|---|---|---|---|---|---|"]
    for contender, samples in results.samples[workload].items():
        name = f"{contender} (**wrong result**)" if (workload, contender) in results.wrong else contender
        ratio = results.ratio(workload, contender)
        cells = [_spread(samples.get(quantity)) for quantity in (PLAIN, DURABLE, CHECKED)]
        cells.append(f"× {ratio:.2f}" if ratio else "")
        cells += [_middle(samples.get(quantity)) for quantity in ("cpu", "machine", "peak")]
        rows.append(f"| {name} | {' | '.join(cells)} | {len(samples[PLAIN])} |")
    return "\n".join(rows)


def _spread(values: list[float] | None) -> str:
    if not values:
        return ""
    ordered = sorted(values)
    return f"{_median(values):.2f} ({ordered[0]:.2f}…{ordered[-1]:.2f})"


def _middle(values: list[float] | None) -> str:
    return f"{_median(values):.2f}" if values and _median(values) < 10 else f"{_median(values):.0f}" if values else ""


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _commands(contenders: list[Contender]) -> str:
    lines = ["## Commands", ""]
    for each in contenders:
        steps = " ; ".join(" ".join(argv) for _, argv in each.steps(Path("SOURCE"), Path("SINK")))
        lines.append(f"- {each.name} ({each.version}): `{_without_paths(steps)}`")
    return "\n".join(lines)


def _without_paths(text: str) -> str:
    """Programs by their names."""
    return " ".join(os.path.basename(word) if word.startswith("/") else word for word in text.split(" "))


def machine(file_system: str) -> dict[str, str]:
    """What it ran on."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) >> 20
    cpu = names[0] if names else platform.machine()
    return {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores of {cpu}, {memory} GiB, Linux {platform.release()}",
        "sinks": file_system,
        "Python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}, SQLite {sqlite3.sqlite_version}",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
