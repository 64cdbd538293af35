"""Who copies. Incarnations that are over have no series."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from jobs.metrics.totals import age
from jobs.models import Slave
from jobs.waiting import tasks_in_hand

_LABELS = ["slave", "host", "incarnation"]
_MEASURES = (
    ("syncf_slave_bytes_per_second", "Sent by the slave lately.", lambda slave, held: slave.bytes_per_second),
    ("syncf_slave_workers", "Files the slave copies at once.", lambda slave, held: slave.concurrency),
    ("syncf_slave_tasks_in_hand", "Tasks the slave has claimed.", lambda slave, held: held),
    ("syncf_slave_heartbeat_age_seconds", "Since the last heartbeat.", lambda slave, held: age(slave.heartbeat_at)),
    (
        "syncf_slave_lease_seconds",
        "Until the slave's lease ends; below zero it is taken for dead.",
        lambda slave, held: -age(slave.lease_expires_at),
    ),
)


def slave_families() -> Iterator[Metric]:
    """Slaves by state, and each that is not over. Three queries."""
    states = GaugeMetricFamily("syncf_slaves", "Slaves by state.", labels=["state"])
    counts = dict(Slave.objects.values_list("state").annotate(count=Count("pk")).order_by())
    for state in (Slave.State.ONLINE, Slave.State.DRAINING):
        states.add_metric([state.value], counts.get(state.value, 0))
    yield states
    held = dict(tasks_in_hand().values_list("owner").annotate(count=Count("id")).order_by())
    slaves = list(Slave.objects.filter(~Q(state=Slave.State.OFFLINE)).order_by("name", "started_at"))
    for name, text, measure in _MEASURES:
        family = GaugeMetricFamily(name, text, labels=_LABELS)
        for slave in slaves:
            family.add_metric([slave.name, slave.host, str(slave.pk)[:8]], measure(slave, held.get(slave.pk, 0)))
        yield family
