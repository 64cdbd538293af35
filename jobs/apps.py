"""The Django app of the control plane."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, scans, tasks, checkpoints, slaves and their history."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "SyncF"

    def ready(self) -> None:
        """Register the system checks."""
        from jobs import checks  # noqa: F401  (registers by import)
