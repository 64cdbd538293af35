"""The database of a one-shot sync brought to this version's schema, in microseconds where it is there already.

Django's own check loads every migration of every app first, which takes longer than many a sync. SQLite keeps a number
for the program in the file's header: here, a checksum of the names of all migrations, written after they were applied.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection


def version() -> int:
    """31 bits that change with every migration of an installed app, and with Django (which brings its own)."""
    names = [django.__version__]
    for app in apps.get_app_configs():
        migrations = Path(app.path) / "migrations"
        names += [f"{app.label}.{name}" for name in _sorted_names(migrations)]
    return zlib.crc32("\0".join(names).encode()) & 0x7FFFFFFF


def _sorted_names(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".py")) if directory.is_dir() else []


def bring_up_to_date() -> None:
    """Apply what is missing; nothing if the file's header says that nothing is."""
    if connection.vendor != "sqlite":
        call_command("migrate", verbosity=0, interactive=False)
        return
    wanted = version()
    with connection.cursor() as cursor:
        is_current = cursor.execute("PRAGMA user_version").fetchone()[0] == wanted
        if not is_current:
            call_command("migrate", verbosity=0, interactive=False)
            cursor.execute(f"PRAGMA user_version = {wanted}")


def begin(database: Path) -> None:
    """Make `database`, which does not exist, from the empty one that an earlier sync left beside it, or leave one.

    A kill at any moment leaves no database or a whole one: files get their names when they are complete. Of one that
    somebody has removed the journal stays, as a rule: SQLite would play it back into this one."""
    for left in ("-journal", "-wal", "-shm"):
        database.with_name(database.name + left).unlink(missing_ok=True)
    empty = database.parent / f"empty-{version():08x}.sqlite3"
    with suppress(FileNotFoundError, sqlite3.DatabaseError):  # none yet, or not whole
        _copy(empty, database)
        return
    bring_up_to_date()
    for old in database.parent.glob("empty-*.sqlite3"):
        old.unlink(missing_ok=True)
    with suppress(sqlite3.DatabaseError, OSError):  # the next one makes its own from nothing
        _copy(database, empty)


def _copy(source: Path, target: Path) -> None:
    """A whole copy of a database, or nothing. Raises FileNotFoundError where there is no `source`."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.new")
    source_url = f"{source.as_uri()}?mode=ro"
    try:
        origin = sqlite3.connect(source_url, uri=True)
    except sqlite3.OperationalError as error:
        raise FileNotFoundError(source) from error
    try:
        origin.execute("VACUUM INTO ?", [str(unfinished)])
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.chmod(0o600)
        unfinished.rename(target)
    finally:
        origin.close()
        unfinished.unlink(missing_ok=True)
