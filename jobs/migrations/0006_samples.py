"""What is copied every ten seconds, since when a sink is known to be complete, and indexes for the console."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_a_full_sink_parks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("files", models.BigIntegerField()),
                ("bytes", models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name="job",
            name="synced_as_of",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="slave",
            name="drain_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="jobevent",
            index=models.Index(
                models.F("task"), models.F("id"), condition=models.Q(("task__isnull", False)), name="event_task"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("job"),
                models.F("reason_code"),
                condition=models.Q(("status", "failed")),
                name="task_failed_why",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(models.F("size"), condition=models.Q(("size__gte", 16777216)), name="task_large"),
        ),
        migrations.AddField(
            model_name="sample",
            name="job",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="samples", to="jobs.job"
            ),
        ),
        migrations.AddIndex(
            model_name="sample",
            index=models.Index(models.F("at"), name="sample_at"),
        ),
        migrations.AddConstraint(
            model_name="sample",
            constraint=models.UniqueConstraint(models.F("job"), models.F("at"), name="sample_one_per_bucket"),
        ),
    ]
