"""How a web server gets the site: whole, or one line that says why not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

from django.core.exceptions import ImproperlyConfigured

Application = TypeVar("Application")

APP_LOAD_ERROR = 4
"""What gunicorn takes as: another try would be the same, end all of it."""


def load(get_application: Callable[[], Application]) -> Application:
    """The application. Ends the process where it must not run: a bad setting, tables that are missing, an SQLite file
    on the network. A database that does not answer now is waited for: /health says so meanwhile."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncf_site.settings")
    try:
        application = get_application()
    except ImproperlyConfigured as error:
        _end(error)
    from jobs.readiness import Unreachable, Unready, require_database, require_local_disk

    try:
        require_local_disk()
        require_database()
    except Unreachable as unreachable:
        print(unreachable, file=sys.stderr)
    except Unready as unready:
        _end(unready)
    return application


def _end(reason: Exception) -> NoReturn:
    print(reason, file=sys.stderr)
    sys.exit(APP_LOAD_ERROR)
