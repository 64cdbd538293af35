"""Directories wait behind all files of their job; a claim of files should not read over them each time. And whether
anything of a job is in hand is asked more often than what a slave owns. Uniqueness by digest alone put every new row on
another page of its index: 4 MB of journal for 1,000 rows."""

from django.db import migrations, models
from django.db.models.functions import Substr

_WAITING = ("status__in", ["pending", "retrying"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        migrations.RemoveIndex(model_name="task", name="task_waiting"),
        migrations.RemoveIndex(model_name="task", name="task_owned"),
        migrations.RemoveIndex(model_name="task", name="task_path"),
        migrations.RemoveConstraint(model_name="task", name="task_one_row_per_path"),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                models.F("job"), Substr("path", 1, 1024), models.F("path_sha256"), name="task_path"
            ),
        ),
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
