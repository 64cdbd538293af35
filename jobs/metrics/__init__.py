"""What Prometheus scrapes, computed from the database when it asks: nothing is kept in any process, so it is right for
any number of web processes, and after any restart.

A fixed number of queries, whatever the jobs and their tasks: totals come from counters, the rest from partial indexes.
`docs/metrics.md` is for those who look at them.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from jobs.metrics.per_job import job_families
from jobs.metrics.slaves import slave_families
from jobs.metrics.totals import total_families


class Metrics(Collector):
    """Every family, with its samples of now."""

    def collect(self) -> Iterator[Metric]:
        """In 18 queries."""
        yield from total_families()
        yield from job_families()
        yield from slave_families()
