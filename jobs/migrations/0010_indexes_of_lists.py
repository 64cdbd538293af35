"""Those to be tried again are few among all that wait, and lists of them read over the rest; cancelled ones had none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_cheap_checks")]
    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("job"),
                models.F("id"),
                name="task_retrying",
                condition=models.Q(("status", "retrying")),
            ),
        ),
        migrations.RemoveIndex(model_name="task", name="task_failed"),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("job"),
                models.F("id"),
                name="task_given_up",
                condition=models.Q(
                    ("status", "failed"), ("status", "skipped"), ("status", "cancelled"), _connector="OR"
                ),
            ),
        ),
    ]
