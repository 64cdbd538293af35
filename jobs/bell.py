"""Who makes work for the scheduler rings a bell, so that nobody waits for its next look at the database.

On PostgreSQL it is a notification of the server's, heard when the transaction that rang commits. A ring that nobody
hears costs the time until the next look and nothing else: that is so behind a pooler of connections, and while a lost
connection is made anew. With SQLite a look is cheap (`jobs/changes.py`), and nothing rings.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.db import Error, connection

from jobs.hanging_up import hang_up

CHANNEL = "syncf"
#: Rings within this time are one. After a silence it is the first, and it doubles up to the second while rings follow:
#: what begins is not waited for, and many slaves can't keep the scheduler looking.
FIRST_PAUSE_SECONDS, PAUSE_SECONDS = 0.005, 0.05
#: So long a listener may take to notice that it is closed.
PATIENCE_SECONDS = 1.0
RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


def ring() -> None:
    """There may be a scan to begin, a hint to publish or a job to complete. Part of the caller's transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class Listener:
    """Calls `wake`, in a thread of its own, after every ring, and once whenever it begins to listen. A context manager;
    does nothing where nothing rings."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_listening, name="bell", daemon=True)

    def __enter__(self) -> Self:
        if connection.vendor == "postgresql":
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * PATIENCE_SECONDS)

    def _keep_listening(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except Error as error:  # also that of a server in recovery, which takes no listeners
                log.info("nothing wakes the scheduler for now, it looks by itself: %s", str(error).strip())
                self._closing.wait(RETRY_SECONDS)
            hang_up()

    def _listen(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        with connection.wrap_database_errors:
            self._wake()
            pause = 0.0
            while not self._closing.is_set():
                begun = time.monotonic()
                if list(connection.connection.notifies(timeout=PATIENCE_SECONDS, stop_after=1)):  # all that are there
                    was_silent = time.monotonic() - begun > PAUSE_SECONDS
                    pause = FIRST_PAUSE_SECONDS if was_silent or not pause else min(2 * pause, PAUSE_SECONDS)
                    self._wake()
                    self._closing.wait(pause)
