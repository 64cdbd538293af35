"""What must be true before a process begins. Each check raises Unready: one line with the setting and what mends it.

Asked by whatever starts (`transfers.management.startup`, `syncf_site.entry`) and by `manage.py doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from jobs.damage import is_damaged
from jobs.mounts import mount_of
from jobs.storages import configured


class Unready(Exception):
    """Somebody has to change the configuration first."""


class Unreachable(Unready):
    """The same start may succeed later, without anybody changing anything here."""


def require_base_path() -> None:
    """The directory behind `local` is there and is not, by a link or mount, the whole machine.

    The default is ours and is made; one that an operator names and that is missing may be an unmounted disk."""
    base: Path = settings.BASE_PATH
    if configured().get("local") != base.as_uri():
        return
    if base == Path(settings.ROOT) / "data":
        base.mkdir(exist_ok=True)
    try:
        found = os.stat(base)
    except OSError as error:
        hint = f"Mount it, make it (mkdir -p {base}), or set BASE_PATH to another directory."
        raise Unready(f"BASE_PATH: {base} can't be used ({error.strerror}). {hint}") from error
    if not base.is_dir():
        raise Unready(f"BASE_PATH: {base} is not a directory. Set BASE_PATH to one.")
    if os.path.samestat(found, os.stat("/")) and not settings.ALLOW_WHOLE_MACHINE:
        raise Unready(f"BASE_PATH: {base} is /, the whole machine. Name a directory, or set ALLOW_WHOLE_MACHINE=true.")


def require_local_disk() -> None:
    """An SQLite database is where its locks hold."""
    file = sqlite_file()
    if file is None or not (mount := mount_of(file)).is_network:
        return
    raise Unready(
        f"DATABASE_URL: {file} is on a network file system ({mount.kind} at {mount.point}), where SQLite loses data. "
        "Put it on a disk of this machine (DATABASE_URL=sqlite:////var/lib/syncf/syncf.sqlite3), or use PostgreSQL."
    )


def sqlite_file() -> Path | None:
    """Where the database is a file."""
    database = settings.DATABASES["default"]
    is_file = database["ENGINE"].endswith("sqlite3") and ":memory:" not in str(connection.settings_dict["NAME"])
    return Path(connection.settings_dict["NAME"]) if is_file else None


def require_database() -> None:
    """It answers and has this version's tables."""
    try:
        connection.ensure_connection()
        missing = missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        if is_damaged(error):
            raise Unready(damage(error)) from error
        problem = f"DATABASE_URL: {_where()} does not answer: {_first_line(error)}."
        raise Unreachable(f"{problem} {_how_to_start()}") from error
    if missing:
        count = f"{len(missing)} migration{'' if len(missing) == 1 else 's'}"
        raise Unready(f"DATABASE_URL: {_where()} lacks {count} of this version. Type: make migrate (manage.py migrate)")


def found_by(error: Exception) -> Unready | None:
    """What is wrong with the database that a command met this error of; None: nothing that somebody could mend."""
    if is_damaged(error):
        return Unready(damage(error))
    connection.close()  # it may be dead without knowing it
    try:
        require_database()
    except Unready as unready:
        return unready
    return None


def missing_migrations() -> list[str]:
    """`app.name` of those that are not applied. Raises what the database raises."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def damage(error: Exception) -> str:
    """What is told of a database that is damaged, whoever finds it."""
    return (
        f"DATABASE_URL: {_where()} is damaged: {_first_line(error)}. End all that uses it and put the last backup in "
        "its place; without one, move aside all that begins with its name, type make migrate and create the jobs anew: "
        "what is at the sinks is compared, not copied again."
    )


def _where() -> str:
    entry: dict[str, Any] = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"the database {entry['NAME']}"
    return f"the database {entry['NAME']} at {entry['HOST'] or 'the local socket'}:{entry['PORT'] or 5432}"


def _how_to_start() -> str:
    if connection.vendor == "sqlite":
        return "Correct DATABASE_URL, or make its directory."
    entry = connection.settings_dict
    asking = f"pg_isready -h {entry['HOST'] or '/var/run/postgresql'} -p {entry['PORT'] or 5432}"
    return f"Start it ({asking} tells when it is there), or correct the URL."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
