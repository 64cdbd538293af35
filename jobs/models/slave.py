"""Who moves bytes."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Slave(models.Model):
    """One *incarnation* of a slave: a restarted slave-001 is another row and never renews its dead self's leases."""

    class State(models.TextChoices):
        """What the slave says of itself, or the reaper of it."""

        ONLINE = "online"
        DRAINING = "draining"
        OFFLINE = "offline"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63)
    state = models.CharField(max_length=10, choices=State, default=State.ONLINE)
    host = models.CharField(max_length=255)
    machine_id = models.CharField(max_length=64)
    pid = models.IntegerField()
    process = models.CharField(max_length=64)
    """`machine.process_identity()`: lets this machine see at once that the process is gone."""
    version = models.CharField(max_length=40, blank=True)
    concurrency = models.PositiveSmallIntegerField()
    aliases = models.JSONField(default=list)
    """Storage aliases it could reach when it started."""
    unreachable = models.JSONField(default=dict)
    """Alias → why not."""
    bytes_per_second = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    lease_expires_at = models.DateTimeField()
    drain_requested_at = models.DateTimeField(null=True)
    """Somebody wants it to take no more work and to end when what it has is done."""
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-started_at",)
        permissions: ClassVar = [("drain_slave", "Can have a slave drain")]
        indexes: ClassVar = [models.Index("name", name="slave_name")]

    def __str__(self) -> str:
        return self.name
