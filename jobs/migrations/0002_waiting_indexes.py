"""Directories wait behind all files of their job; a claim of files should not read over them each time. And whether
anything of a job is in hand is asked more often than what a slave owns."""

from django.db import migrations, models

_WAITING = ("status__in", ["pending", "retrying"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        migrations.RemoveIndex(model_name="task", name="task_waiting"),
        migrations.RemoveIndex(model_name="task", name="task_owned"),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["job", "id"],
                name="task_waiting",
                condition=models.Q(_WAITING, models.Q(("kind", "directory"), _negated=True)),
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["job", "id"],
                name="task_waiting_directory",
                condition=models.Q(_WAITING, ("kind", "directory")),
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["job", "owner"], name="task_owned", condition=models.Q(owner__isnull=False)),
        ),
        # The scheduler remembers by itself how far it has published: a write less for every file.
        migrations.RemoveField(model_name="task", name="published_at"),
    ]
