"""The broker of this installation: its settings and its own queue names."""

from __future__ import annotations

from django.conf import settings

from jobs.services import installation
from transfers.broker.base import Broker
from transfers.broker.registry import open_broker


def open_queue() -> Broker:
    """Not yet connected. Installations that share a server have different queues."""
    return open_broker(settings.BROKER_URL, queue_prefix=f"syncf.{installation().identifier}")
