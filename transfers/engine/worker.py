"""The worker process: ``python -m transfers.engine.worker <socket fd> <control fd> <parent pid>``.

It knows no Django and no database. It lives exactly as long as its parent: the kernel kills it when the parent dies,
and only the parent decides when it ends, so it ignores SIGINT and SIGTERM.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from storage_backends import CHATTY_LOGGERS
from storage_backends.logs import OneLine
from transfers.engine.contracts import LeaseLost, Work
from transfers.engine.control import ControlPage, PageControl
from transfers.engine.lifeline import die_with_parent
from transfers.engine.memory import keep_what_is_loaded
from transfers.engine.messages import (
    CheckpointMade,
    FenceAsked,
    Finished,
    IntentAsked,
    ProgressMade,
    Question,
    Reply,
    SaveToken,
    TaskKey,
    unpack_assignment,
)
from transfers.engine.prefetch import Prefetched
from transfers.engine.run import Storages, run_in_groups

PROGRESS_SECONDS = 0.5


class ParentGone(BaseException):
    """The other end of the socket is closed: nobody wants an answer any more, to this work or to another."""


class JournalProxy:
    """The `Journal` in the worker: every question goes to the parent and waits for its reply. Any thread may ask."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._progress_due = 0.0

    def save_token(self, work: Work, token: str) -> None:
        """See `Journal`."""
        self._ask_for_one(work, SaveToken(_key(work), token))

    def checkpoint(self, work: Work, offset: int, sha256: bytes) -> None:
        """See `Journal`."""
        self._ask_for_one(work, CheckpointMade(_key(work), offset, sha256))

    def intent(self, work: Work, sha256: bytes, token: str) -> None:
        """See `Journal`."""
        self._ask_for_one(work, IntentAsked(_key(work), sha256, token))

    def fence(self, works: Collection[Work]) -> set[int]:
        """See `Journal`."""
        return set(self._ask(FenceAsked(tuple([(work.task_id, work.epoch) for work in works]))))

    def progress(self, work: Work, bytes_done: int, bytes_sent: int) -> None:
        """Dropped when one was sent just now, or while another thread waits for a reply."""
        now = time.monotonic()
        if now < self._progress_due or not self._lock.acquire(blocking=False):
            return
        try:
            self._progress_due = now + PROGRESS_SECONDS
            with _parent():
                self._connection.send(ProgressMade(_key(work), bytes_done, bytes_sent))
        finally:
            self._lock.release()

    def _ask_for_one(self, work: Work, question: Question) -> None:
        if work.task_id not in self._ask(question):
            raise LeaseLost("the database says that the task belongs to somebody else")

    def _ask(self, question: Question) -> frozenset[int]:
        with self._lock, _parent():
            self._connection.send(question)
            reply: Reply = self._connection.recv()
        return reply.owned


def _key(work: Work) -> TaskKey:
    return TaskKey(work.task_id, work.epoch)


def serve(connection: Connection[Any, Any], page: ControlPage, prefetched: Prefetched | None = None) -> None:
    """Do assignments until the parent closes the connection."""
    storages, journal = Storages(prefetched), JournalProxy(connection)
    with suppress(ParentGone):
        while True:
            with _parent():
                assignment = unpack_assignment(connection.recv())
            control = PageControl(page, assignment.number)
            for outcomes in run_in_groups(assignment, storages, journal, control):
                with _parent():
                    connection.send(outcomes)
            with _parent():
                connection.send(Finished(assignment.number))


@contextmanager
def _parent() -> Iterator[None]:
    """Around what is said to it or heard of it. Raises ParentGone."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise ParentGone from error


def main(arguments: list[str], prefetched: Prefetched | None = None) -> None:
    """Set the process up and serve."""
    socket_fd, control_fd, parent_pid, log_level = map(int, arguments)
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(f"%(asctime)s %(levelname)s worker[{os.getpid()}] %(message)s"))
    logging.basicConfig(level=log_level, handlers=[handler])
    keep_what_is_loaded()
    serve(Connection(socket_fd), ControlPage(control_fd), prefetched)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing is left to be done; taking all modules apart would cost a tenth of a worker's start
