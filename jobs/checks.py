"""System checks: configuration mistakes surface here, with the command that mends them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from jobs.storages import configured
from storage_backends.errors import StorageError
from storage_backends.registry import what_is_missing

#: The tag of what the data plane needs; its commands check nothing else.
CHECKS = "syncf"


@register(CHECKS)
def check_storages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every configured storage has its SDK. That it can be reached is asked by whoever uses it."""
    found: list[CheckMessage] = []
    for alias, url in configured().items():
        try:
            problem = what_is_missing(url)
        except StorageError as error:
            problem = str(error)
        if problem:
            found.append(Error(f"STORAGE_{alias.upper()}: {problem}.", id="syncf.E002"))
    return found


@register(CHECKS)
def check_sqlite_version(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """SQLite must know UPSERT-era SQL and long parameter lists."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") and sqlite3.sqlite_version_info < (3, 35):
        hint = "Upgrade the SQLite library of this Python, or set DATABASE_URL to a PostgreSQL database."
        return [Error(f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is needed.", hint=hint, id="syncf.E001")]
    return []
