"""The same two rules, written as comparisons: for an IN of more than two SQLite builds a table, anew for every row that
is inserted or updated. That was 2 to 3 µs for each of the three statements a file, more than a third of their price."""

from django.db import migrations, models


def _is_one_of(*statuses: str, negated: bool = False) -> models.Q:
    return models.Q(*(("status", status) for status in statuses), _connector=models.Q.OR, _negated=negated)


_KNOWN = ("pending", "in_progress", "completed", "failed", "retrying", "cancelled", "skipped")
_HAS_REASON = models.Q(("reason_code", ""), _negated=True)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_draining")]
    operations = [
        migrations.RemoveConstraint(model_name="task", name="task_status_known"),
        migrations.RemoveConstraint(model_name="task", name="task_failure_has_reason"),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(condition=_is_one_of(*_KNOWN), name="task_status_known"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=_is_one_of("failed", "retrying", "skipped", negated=True) | _HAS_REASON,
                name="task_failure_has_reason",
            ),
        ),
    ]
