"""Django's DATABASES entry for a DATABASE_URL, with the options that keep several writers and restarts harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

#: Measured with four writers: Django's defaults answer "database is locked", these never did. FULL, because an
#: acknowledged kill must survive.
SQLITE_OPTIONS = {
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA busy_timeout=20000;"
    # The pages that a batch touches stay in memory (KiB); what is committed goes from the journal to the file, with two
    # more flushes, every 32 MiB instead of at nearly every batch (pages of 4 KiB).
    "PRAGMA cache_size=-16384;PRAGMA wal_autocheckpoint=8192;",
}

#: A vanished server is noticed within a minute, and no statement or forgotten transaction holds its locks longer. A
#: page found by an index costs about what any page does, in memory and on an SSD: by the server's default, four times
#: as much, a batch of ids would be looked for by reading a table of 50,000 rows.
POSTGRES_OPTIONS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
    " -c random_page_cost=1.1",
}

VENDORS = {"sqlite": "sqlite", "postgres": "postgresql", "postgresql": "postgresql"}


def configure(url: str, root: Path) -> dict[str, Any]:
    """The entry for `sqlite:///file` (relative to `root`) or `postgres://…`. The URL's own options win over ours."""
    vendor = VENDORS.get(url.partition("://")[0])
    if vendor is None:
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:///, postgres:// or postgresql://.")
    entry = environ.Env.db_url_config(url)
    options = entry.pop("OPTIONS", {})
    if vendor == "sqlite":
        if entry["NAME"] != ":memory:":
            entry["NAME"] = str(root / entry["NAME"])
        # A connection keeps its cache and its prepared statements as long as its thread lives.
        entry["ENGINE"] = "jobs.sqlite3"  # whose transactions begin as writers
        return {"CONN_MAX_AGE": None, **entry, "OPTIONS": {**SQLITE_OPTIONS, **options}}
    return {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, **entry, "OPTIONS": {**POSTGRES_OPTIONS, **options}}
