"""The goals, row by row, and what was reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.contenders import CHECKED, CHECKED_RCLONE, DURABLE, STORED
from tests.benchmarks.results import Results

CHECKPOINT_BYTES = 64 << 20
CS = "rclone --checksum"


Reached = Callable[[Results], float | None]


class Goal(NamedTuple):
    """One figure; lower is better."""

    text: str
    must: float
    aim: float
    reached: Reached
    unit: str = "×"

    def verdict(self, value: float | None) -> str:
        """For the table."""
        if value is None:
            return "not measured"
        return "aim reached" if value <= self.aim else "must reached" if value <= self.must else "**missed**"


def _ratio(workload: str, contender: str, quantity: str = DURABLE, of: str = "SyncF") -> Reached:
    return lambda results: results.ratio(workload, contender, quantity, of=of)


def _cpu_ratio(workload: str, contender: str, of: str) -> Reached:
    """Steadier than time on a machine that others use as well."""
    return lambda results: results.ratio(workload, contender, "cpu", of=of, own="cpu")


def _fact(name: str) -> Reached:
    return lambda results: results.facts.get(name)


def _memory(results: Results) -> float | None:
    """The largest of the ratios to rclone's process in the same workload."""
    found = [results.ratio(each, CS, "peak", own="peak") for each in ("a", "b", "c", "d")]
    return max((ratio for ratio in found if ratio is not None), default=None)


def _many(workload: str, must: float, aim: float) -> Goal:
    return Goal(f"{workload} against `rclone sync --checksum`", must, aim, _ratio(workload, CS))


def _store(kind: str, what: str, way: str) -> list[Goal]:
    """Like with like, in seconds and CPU seconds of all client processes; then SyncF beside one that proves nothing."""
    workload, row = f"{kind}-{what}-{way}", f"s: {kind}, {what} {way}"
    pairs = [("SyncF", CHECKED_RCLONE, ""), (STORED, "rclone", ""), ("SyncF", "rclone", ", which verifies nothing")]
    if way == "down" or kind == "sftp":  # a sink without a server that checks digests
        del pairs[1]
    if kind == "s3":
        pairs += [(STORED if way == "up" else "SyncF", "s5cmd", "")]
    return [
        goal
        for ours, theirs, remark in pairs
        for goal in (
            Goal(f"{row}: {ours} against {theirs}{remark}", 1, 1, _ratio(workload, theirs, of=ours)),
            Goal(f"{row}, CPU: {ours} against {theirs}{remark}", 1, 1, _cpu_ratio(workload, theirs, of=ours)),
        )
    ]


GOALS = [
    _many("a", 0.8, 0.6),
    _many("b", 0.7, 0.45),
    _many("d", 0.7, 0.5),
    *(
        Goal(f"{each} against `rclone sync --checksum` + `rclone check`", 0.45, 0.3, _ratio(each, CS, CHECKED))
        for each in "abd"
    ),
    *(Goal(f"{each} against `rsync -a`, which verifies nothing", 1.2, 0.8, _ratio(each, "rsync -a")) for each in "abd"),
    Goal("c against `rclone sync --checksum`", 0.6, 0.35, _ratio("c", CS)),
    Goal("c against `rsync -a`", 0.9, 0.55, _ratio("c", "rsync -a")),
    Goal("c, the engine, against SHA-256 of the source alone", 1.6, 1.1, _fact("engine_to_hash")),
    Goal("c, the engine, with a durable checkpoint every 64 MiB against without", 1.5, 1.15, _fact("checkpoints")),
    Goal("e: b unchanged against `rclone sync`", 0.85, 0.5, _ratio("e-b", "rclone")),
    Goal("e: b unchanged against `rsync -a`", 1.2, 0.75, _ratio("e-b", "rsync -a")),
    Goal("e: a unchanged against `rclone sync`, start-up included", 2.0, 1.0, _ratio("e-a", "rclone")),
    Goal("f: 1 % of b changed against `rclone sync`", 0.9, 0.6, _ratio("f", "rclone")),
    Goal("f: 1 % of b changed against `rsync -a`", 1.2, 0.8, _ratio("f", "rsync -a")),
    Goal("g: bytes sent again after kill -9", CHECKPOINT_BYTES, 0, _fact("again_after_kill"), "B"),
    Goal("g: bytes sent again after SIGTERM", CHECKPOINT_BYTES, 0, _fact("again_after_term"), "B"),
    Goal("h: peak memory of the scheduler, all files against few", 1.3, 1.1, _fact("scheduler_memory")),
    Goal("rows per file without copying, embedded", 30, 12, _fact("rows_sqlite"), "µs"),
    Goal("rows and messages per file without copying, PostgreSQL + RabbitMQ", 60, 30, _fact("rows_postgres"), "µs"),
    Goal(
        "a on PostgreSQL + RabbitMQ, slaves already up, against `rclone sync --checksum`",
        0.8,
        0.5,
        _ratio("a", CS, of="SyncF on PostgreSQL + RabbitMQ, already up"),
    ),
    *(
        goal
        for kind in ("s3", "gcs", "azure", "sftp")
        for what in ("small", "big")
        for way in ("up", "down")
        for goal in _store(kind, what, way)
    ),
    Goal("peak memory of the largest process against rclone's", 1.0, 0.6, _memory),
]
