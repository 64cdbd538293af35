"""The Django app of the data plane: it has commands, no models."""

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Scan, scheduler and slaves."""

    name = "transfers"
