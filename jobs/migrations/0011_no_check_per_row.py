"""That job and slave of a task exist was asked for every row that a scan wrote and a slave claimed: on PostgreSQL two
queries a file, 7 of 32 µs. It is asked once a batch anyway (docs/adr/0015)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_indexes_of_lists")]
    operations = [
        migrations.AlterField(
            model_name="task",
            name="job",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tasks",
                to="jobs.job",
            ),
        ),
        migrations.AlterField(
            model_name="task",
            name="owner",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tasks",
                to="jobs.slave",
            ),
        ),
    ]
