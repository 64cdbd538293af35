"""What a slave does when its lease is over and the database is in trouble as it signs on again."""

import sqlite3

import pytest
from django.db import DatabaseError

from transfers.slave import process
from transfers.slave.patience import IncarnationOver

LOOKS = 3


class Trouble(DatabaseError):
    """As Django tells of it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.__cause__ = sqlite3.OperationalError()
        self.__cause__.sqlite_errorcode = code


@pytest.fixture
def signings(monkeypatch):
    """`signings(code, **options)`: how often it signed on, each time but the first meeting this."""

    def run(code, **options):
        tries = []

        def sign_on(name, concurrency, aliases):
            tries.append(name)
            if len(tries) > 1:
                raise Trouble(code)
            return None, 0.0

        def work(*arguments):
            raise IncarnationOver("the lease could not be renewed in time")

        monkeypatch.setattr(process, "_sign_on", sign_on)
        monkeypatch.setattr(process, "_work", work)
        monkeypatch.setattr(process, "SIGN_ON_RETRY_SECONDS", 0)
        try:
            process.run_slave("slave-001", concurrency=1, should_stop=lambda: len(tries) > LOOKS, **options)
        except Trouble:
            return len(tries), "ended"
        return len(tries), "waited"

    return run


def test_it_waits_for_room_but_where_somebody_sits_at_the_shell(signings):
    assert signings(sqlite3.SQLITE_FULL) == (LOOKS + 1, "waited")
    assert signings(sqlite3.SQLITE_FULL, is_patient=False) == (2, "ended")


def test_a_damaged_database_is_not_waited_for(signings):
    assert signings(sqlite3.SQLITE_CORRUPT) == signings(sqlite3.SQLITE_NOTADB | 1 << 8) == (2, "ended")
