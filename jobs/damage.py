"""Whether an error tells that an SQLite file is no database, or no whole one: no later try goes better."""

from __future__ import annotations

import sqlite3


def is_damaged(error: BaseException) -> bool:
    """Of Django's errors as of SQLite's own."""
    return sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_final(error: BaseException) -> bool:
    """Whether no later try goes better, or nobody is to wait for one (see `jobs.sqlite3`)."""
    from django.db import OperationalError  # a one-shot sync loads this module long before

    is_full = sqlite_code(error) == sqlite3.SQLITE_FULL and not isinstance(error, OperationalError)
    return is_full or is_damaged(error)


def sqlite_code(error: BaseException | None) -> int:
    """The primary result code of SQLite's error behind this one; 0 if there is none."""
    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__ or error.__context__
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
