"""What was measured: samples by workload, contender and quantity; medians and ratios of them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from tests.benchmarks.contenders import CHECKED, DURABLE, PLAIN

QUANTITIES = (PLAIN, DURABLE, CHECKED, "cpu", "peak", "machine")


class Results:
    """Everything one call of `make bench` found."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(dict))
        self.wrong: set[tuple[str, str]] = set()
        """(workload, contender) whose sink was not like its source, or that failed: they get no ratio."""
        self.failed: dict[str, str] = {}
        """Workload → why it did not come to its end."""
        self.facts: dict[str, float] = {}
        """Single figures that are no times of contenders."""

    def add(self, workload: str, contender: str, **values: float) -> None:
        """One round."""
        for quantity, value in values.items():
            self.samples[workload][contender].setdefault(quantity, []).append(value)

    def median(self, workload: str, contender: str, quantity: str = DURABLE) -> float | None:
        """None if it was not measured, or was wrong."""
        found = self.samples.get(workload, {}).get(contender, {}).get(quantity)
        if not found or (workload, contender) in self.wrong:
            return None
        return statistics.median(found)

    def ratio(
        self, workload: str, contender: str, quantity: str = DURABLE, *, of: str = "SyncF", own: str = DURABLE
    ) -> float | None:
        """SyncF's median divided by the contender's."""
        ours, theirs = self.median(workload, of, own), self.median(workload, contender, quantity)
        return None if ours is None or not theirs else ours / theirs

    def as_json(self) -> dict[str, Any]:
        """For the file beside the report."""
        wrong = sorted(map(list, self.wrong))
        return {"samples": self.samples, "wrong": wrong, "failed": self.failed, "facts": self.facts}
