"""Settings of the one-shot sync: no web ever serves its database, so it does not wait for what only a web uses.

Every module that is not imported is time before the first byte: the whole site takes four times as long to load.
"""

import logging.config

from syncf_site.settings import *  # noqa: F403
from syncf_site.settings import DATABASES, LOGGING

INSTALLED_APPS = [
    "jobs.apps.JobsConfig",
    "transfers.apps.TransfersConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
DATABASES["default"]["GIVES_UP_WHEN_FULL"] = True
MIDDLEWARE = []
# Django's own begins with handlers for a web's errors, and imports its pages for them.
LOGGING_CONFIG = None
logging.config.dictConfig(LOGGING)
# Whoever runs it sees how it ends.
WEBHOOKS, WEBHOOK_ORIGINS, SENDS_EMAIL = [], [], False
