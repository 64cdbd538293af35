"""Slave incarnations: sign on, keep the lease, sign off, and what happens to those that did not."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.db import transaction
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from jobs import transitions
from jobs.compiled import Compiled
from jobs.errors import Conflict
from jobs.machine import is_dead_here
from jobs.models import Slave
from jobs.selectors import all_live_slaves, expired_slaves, live_slaves

LEASE_SECONDS = 45
HEARTBEAT_SECONDS = 10
#: A slave that could not renew stops writing this long before its lease ends.
FENCE_SECONDS = 10


def sign_on(slave: Slave) -> None:
    """Insert the incarnation and give it its lease. Raises Conflict while another live process has the name.

    One whose process is gone from this machine does not have to be waited for, nor an earlier one of our own."""
    with transaction.atomic():
        for other in live_slaves().filter(name=slave.name).select_for_update():
            if other.process != slave.process and not is_dead_here(other.process):
                raise Conflict(
                    "SLAVE_IS_ALIVE",
                    f"{slave.name} is alive on {other.host} (pid {other.pid}, since {other.started_at:%F %T} UTC).",
                    hint=f"Stop it, wait {LEASE_SECONDS} s if it is dead, or choose another name.",
                )
            Slave.objects.filter(pk=other.pk).update(state=Slave.State.OFFLINE, lease_expires_at=Now())
        slave.lease_expires_at = _lease()
        slave.save(force_insert=True)
    slave.refresh_from_db()


def _lease() -> CombinedExpression:
    return Now() + timedelta(seconds=LEASE_SECONDS)


def heartbeat(slave: Slave, *, bytes_per_second: int) -> bool:
    """Renew the lease; False when it ran out or was taken: the incarnation is over."""
    mine = live_slaves().filter(pk=slave.pk)
    return bool(mine.update(lease_expires_at=_lease(), heartbeat_at=Now(), bytes_per_second=bytes_per_second))


def set_draining(slave: Slave) -> None:
    """It takes no more work and ends when what it has is done or released."""
    Slave.objects.filter(pk=slave.pk, state=Slave.State.ONLINE).update(state=Slave.State.DRAINING)


def ask_to_drain(slave: Slave) -> bool:
    """Have it take no more work and end when what it has is done, within seconds of idling. False if it was asked
    already, or is gone."""
    live = live_slaves().filter(pk=slave.pk, drain_requested_at=None)
    return bool(live.update(drain_requested_at=Now()))


def is_asked_to_drain(slave: Slave) -> bool:
    """Whether somebody wants this incarnation to end in an orderly way."""
    return Slave.objects.filter(pk=slave.pk, drain_requested_at__isnull=False).exists()


def sign_off(slave: Slave) -> None:
    """The incarnation ends; whatever it still owns is free at once."""
    Slave.objects.filter(pk=slave.pk).update(state=Slave.State.OFFLINE, lease_expires_at=Now(), stopped_at=Now())


def reap_dead() -> int:
    """Take back the work of incarnations whose lease is over, or whose process is gone from this machine; returns
    how many tasks."""
    gone = [slave for slave in all_live_slaves() if is_dead_here(slave.process)]
    Slave.objects.filter(pk__in=[slave.pk for slave in gone]).update(lease_expires_at=Now())
    count = 0
    for slave in _expired().rows():
        Slave.objects.filter(pk=slave.pk).update(state=Slave.State.OFFLINE)
        while moved := transitions.reap(slave):
            count += moved
    return count


@cache
def _expired() -> Compiled[Slave]:
    return Compiled(expired_slaves())
