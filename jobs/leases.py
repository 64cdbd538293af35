"""Leadership: one row, renewed in database time. It saves double work; safety never depends on it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.machine import is_dead_here
from jobs.models import Lease

LEADER_LEASE_SECONDS = 15


def acquire(name: str, holder: str) -> bool:
    """Become or stay the leader; False while another holder's lease is fresh and its process not known to be gone. One
    that lies further ahead than any can was given under a wrong clock."""
    expires = Now() + timedelta(seconds=LEADER_LEASE_SECONDS)
    if Lease.objects.filter(name=name, holder=holder).update(expires_at=expires):
        return True
    lease, _ = Lease.objects.get_or_create(name=name)
    impossible = expires + timedelta(seconds=LEADER_LEASE_SECONDS)
    is_free = Q(holder="") | Q(expires_at__lte=Now()) | Q(expires_at__gt=impossible)
    if is_dead_here(lease.holder):
        is_free |= Q(holder=lease.holder)
    free = Lease.objects.filter(is_free, name=name, epoch=lease.epoch)
    return bool(free.update(holder=holder, epoch=F("epoch") + 1, expires_at=expires))


def release(name: str, holder: str) -> None:
    """Let somebody else lead at once."""
    Lease.objects.filter(name=name, holder=holder).update(holder="", expires_at=Now())
