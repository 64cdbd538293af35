"""Whether an error tells that an SQLite file is no database, or no whole one: no later try goes better."""

from __future__ import annotations

import sqlite3


def is_damaged(error: BaseException) -> bool:
    """Of Django's errors as of SQLite's own."""
    return sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def sqlite_code(error: BaseException | None) -> int:
    """The primary result code of SQLite's error behind this one; 0 if there is none."""
    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__ or error.__context__
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
