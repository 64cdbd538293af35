"""Who may have a slave drain."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_notifications")]
    operations = [
        migrations.AlterModelOptions(
            name="slave",
            options={"ordering": ("-started_at",), "permissions": [("drain_slave", "Can have a slave drain")]},
        ),
    ]
