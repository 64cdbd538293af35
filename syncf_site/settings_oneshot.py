"""Settings of the one-shot sync: no web ever serves its database, so it does not wait for what only a web uses.

Every module that is not imported is time before the first byte: the whole site takes four times as long to load.
"""

from syncf_site.settings import *  # noqa: F403

INSTALLED_APPS = [
    "jobs.apps.JobsConfig",
    "transfers.apps.TransfersConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
MIDDLEWARE = []
# Whoever runs it sees how it ends.
WEBHOOKS, WEBHOOK_ORIGINS, SENDS_EMAIL = [], [], False
