"""The database: where it is, whether it answers, its tables, its clock, its disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from jobs.models import Installation
from jobs.mounts import mount_of
from jobs.readiness import Unready, require_database, require_local_disk, sqlite_file
from jobs.services import installation
from transfers.management.doctor.findings import Finding, error, ok, warning
from transfers.management.doctor.space import check_space

SKEW_SECONDS, MUCH_SKEW_SECONDS = 2.0, 60.0


def check_disk() -> Iterator[Finding]:
    """SQLite's file system."""
    file = sqlite_file()
    if file is None:
        return
    try:
        require_local_disk()
    except Unready as unready:
        yield error("database", str(unready), "Move it to a disk of this machine, or use PostgreSQL.")
    else:
        yield ok("database", f"{file} lies on {mount_of(file).kind or 'a file system the kernel does not name'}")
    yield from check_space("database", file.parent)


def check_database() -> Iterator[Finding]:
    """It answers, with this version's tables: no others, no more."""
    try:
        require_database()
    except Unready as unready:
        yield error("database", str(unready), "Nothing else that needs the database was looked at.")
        return
    newer = _migrations_of_others()
    if newer:
        names = ", ".join(newer[:3])
        yield error(
            "database",
            f"was brought to a newer version than this one ({settings.VERSION}): {names} is unknown here",
            "Upgrade SyncF on this machine; an older one does not know what the newer wrote.",
        )
    else:
        yield ok("database", f"{connection.display_name} answers and has the tables of version {settings.VERSION}")


def _migrations_of_others() -> list[str]:
    loader = MigrationLoader(connection)
    ours = loader.migrated_apps
    unknown = [key for key in loader.applied_migrations if key[0] in ours and key not in loader.graph.nodes]
    known_replaced = {key for migration in loader.replacements.values() for key in migration.replaces}
    return sorted(f"{app}.{name}" for app, name in unknown if (app, name) not in known_replaced)


def check_clock() -> Iterator[Finding]:
    """Leases are counted in the database's time, so they are safe; what people read is not."""
    installation()
    begun = time.time()
    told: datetime = Installation.objects.values_list(Now(), flat=True).get(pk=1)
    here = (begun + time.time()) / 2
    skew = told.replace(tzinfo=told.tzinfo or UTC).timestamp() - here
    text = f"the database's is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    todo = "Let NTP set both (timedatectl set-ntp true)."
    if abs(skew) > MUCH_SKEW_SECONDS:
        yield error("clock", text, todo)
    elif abs(skew) > SKEW_SECONDS:
        yield warning("clock", text, todo)
    else:
        yield ok("clock", "the database's and this machine's agree")
