#!/usr/bin/env python
"""The command line: `manage.py help` lists what there is."""

import gc
import os
import sys

MADE_BETWEEN = 100_000
"""Objects, between two looks of the garbage collector. What is imported stays; with Python's 700 an eighth of a
command's start went into looking through it."""


def main() -> None:
    """Run the command that was asked for."""
    gc.set_threshold(MADE_BETWEEN)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncf_site.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit("Django is not installed for this Python. Run `make setup`, then `.venv/bin/python manage.py …`.")
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Error as error:
        from jobs import readiness

        unready = readiness.found_by(error)
        if unready is None:
            raise
        print(unready, file=sys.stderr)
        sys.exit(1 if isinstance(unready, readiness.Unreachable) else 2)


if __name__ == "__main__":
    main()
