"""Every transaction begins as a writer, and one that waits for another writer looks again soon.

A deferred transaction that turns into a writer fails at once, whatever the time limit. And SQLite's own wait sleeps 1,
2, 5, 10, 15, 20, 25 … ms between its looks, where a transaction of ours takes 3: in a sync of 10,000 files, scan and
slave slept a third of the time, and workers waited for the slave.
"""

from __future__ import annotations

import sqlite3
import time
from types import TracebackType

from django.db.backends.sqlite3 import base
from django.db.utils import DatabaseError, DatabaseErrorWrapper
from django.utils.functional import cached_property

from jobs.sqlite3 import library

library.count_no_memory()

LEAST_SECONDS, MOST_SECONDS = 0.0005, 0.005
"""Between two looks: a fiftieth of what was waited for already, within these."""
_PRIMARY = 0xFF
"""What SQLite's more exact error codes begin with."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's for SQLite, but for how a transaction begins. Where its settings say GIVES_UP_WHEN_FULL, a full disk is
    an error as a damaged file is, and not one that passes: whoever sits at the shell is to make room."""

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        """What turns SQLite's errors into Django's."""
        return _Errors(self)

    def _start_transaction_under_autocommit(self) -> None:
        """Waits at most as long as any statement of the connection, and then says what SQLite says."""
        with self.wrap_database_errors:
            [(most_ms,)] = self.connection.execute("PRAGMA busy_timeout").fetchall()
            self.connection.execute("PRAGMA busy_timeout=0")
            try:
                _begin(self.connection, most_ms / 1000)
            finally:
                self.connection.execute(f"PRAGMA busy_timeout={most_ms}")


class _Errors(DatabaseErrorWrapper):
    wrapper: DatabaseWrapper

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error and _is_full(error) and self.wrapper.settings_dict.get("GIVES_UP_WHEN_FULL"):
            raise DatabaseError(*error.args) from error
        super().__exit__(kind, error, traceback)


def _is_full(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_FULL


def _begin(connection: sqlite3.Connection, most_seconds: float) -> None:
    since = time.monotonic()
    while True:
        waited = time.monotonic() - since
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or waited > most_seconds:
                raise
        else:
            return
        time.sleep(min(MOST_SECONDS, max(LEAST_SECONDS, waited / 50)))
