"""What a full sink needs, when to look for room again, and what becomes of files that keep changing."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

_WHEN_CHANGING = [
    ("fail", "fails after max_attempts copies during which it changed (default)"),
    ("wait", "is copied once it has been left alone for quiet_seconds, however often it changes"),
]
_QUIET = "With when_changing=wait: so long a file must not have changed before it is copied."


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_idempotency_keys")]
    operations = [
        migrations.AddField("job", "parked_bytes", models.BigIntegerField(null=True, editable=False)),
        migrations.AddField("job", "parked_until", models.DateTimeField(null=True, editable=False)),
        migrations.AddField(
            "job",
            "when_changing",
            models.CharField(
                max_length=10,
                choices=_WHEN_CHANGING,
                default="fail",
                help_text="What becomes of a file that keeps changing while it is copied.",
            ),
        ),
        migrations.AddField(
            "job",
            "quiet_seconds",
            models.PositiveIntegerField(
                default=60, help_text=_QUIET, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
            ),
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=models.Q(when_changing__in=["fail", "wait"]), name="job_when_changing_known"
            ),
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(condition=models.Q(quiet_seconds__gte=1), name="job_quiet_seconds_positive"),
        ),
    ]
