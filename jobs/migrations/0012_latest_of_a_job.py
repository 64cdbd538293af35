"""The latest scans and events of a job are read from the end of an index, however many there were before: pages that
people leave open ask for them every two seconds.

Where Django takes the index of a foreign key away, on PostgreSQL it takes every index over that column alone, and so the
one behind a constraint: which is put back, in the same transaction.
"""

import django.db.models.deletion
from django.db import migrations, models

_ONE_UNFINISHED = models.UniqueConstraint(
    models.F("job"), name="scan_one_unfinished_per_job", condition=models.Q(("finished_at__isnull", True))
)


def _of_job(model: str, related_name: str) -> migrations.AlterField:
    job = models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name=related_name, to="jobs.job"
    )
    return migrations.AlterField(model_name=model, name="job", field=job)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_no_check_per_row")]
    operations = [
        migrations.AddIndex(model_name="scan", index=models.Index(fields=["job", "id"], name="scan_of_job")),
        migrations.AddIndex(model_name="jobevent", index=models.Index(fields=["job", "id"], name="event_of_job")),
        _of_job("jobevent", "events"),
        migrations.RemoveConstraint(model_name="scan", name=_ONE_UNFINISHED.name),
        _of_job("scan", "scans"),
        migrations.AddConstraint(model_name="scan", constraint=_ONE_UNFINISHED),
    ]
