"""The listings of a large tree, made by processes of their own beside the one that compares.

Looking at every file of both sides takes most of a scan's time, and most of that the kernel's. For a tree that is known
to be small, starting the processes would take longer than they save.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from jobs.catalogue import count_files
from jobs.models import Job, JobId
from jobs.storages import Side, job_root
from storage_backends.base import Storage
from storage_backends.errors import RootChanged, StorageError
from transfers.scan.lister import Request, entries, received
from transfers.scan.merge import Entry

#: A job of so many known files is worth two more processes: they take 0.04 s each to start and save 4 µs a file.
LARGE_FILES = 20_000
MODULE = "transfers.scan.lister"

Listers = dict[Side, "Lister"]
Place = tuple[str, bytes]
"""A storage's URL and a directory in it."""
Ahead = MutableMapping[Place | tuple[Place, Place], socket.socket]
"""What was begun before there was a scan, each as the socket of its process: a place → its listing
(`lister.serve_ahead`); a source and a sink → their comparison (`comparer.serve_ahead`)."""


class Lister:
    """A process that lists one storage, once. A context manager: it ends when that is left, whatever it does."""

    def __init__(self, ours: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        """`ours`: the end of the socket that is not the process's. `process`: to be ended here; without it, it ends
        because nobody listens, and somebody else waits for that."""
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._process = process

    @classmethod
    def start(cls, url: str) -> Self:
        """A new process, for the storage at `url`."""
        ours, theirs = socket.socketpair()
        with theirs:
            lister = cls(ours, _start(theirs.fileno()))
        lister._send(url)
        return lister

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process id of one that was started."""
        assert self._process is not None
        return self._process.pid

    def list_chunks(self, request: Request, location: Sequence[str]) -> Iterator[list[Entry]]:
        """As `Storage.list_chunks`, of plain tuples. `location`: where the storage lies that the scan has opened; the
        process must have come to the same place. Raises StorageError, also when the process dies."""
        self._send(request)
        messages = received(self._connection)
        must_be_at(location, next(messages))
        yield from entries(messages)

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise StorageError("the process that lists it died") from error


def must_be_at(location: Sequence[str], found: Sequence[str]) -> None:
    """Raises RootChanged unless a process has come to where the scan has."""
    if tuple(found) != tuple(location):
        raise RootChanged(f"it was another directory when the scan began: {location[0]}, not {found[0]}")


def start_for(job: Job, storages: Mapping[Side, Storage], ahead: Ahead, stack: ExitStack) -> Listers:
    """Processes that have begun already, and others where they pay; `stack` ends them."""
    listers: Listers = {}
    for side in storages:
        root = job_root(job, side)
        if begun := ahead.pop((root.url, root.path), None):
            listers[side] = stack.enter_context(Lister(begun))
    if len(listers) < len(storages):
        for side in set(worth_a_process(job.pk, storages)) - set(listers):
            listers[side] = stack.enter_context(Lister.start(job_root(job, side).url))
    return listers


def worth_a_process(job_id: JobId, storages: Mapping[Side, Storage]) -> list[Side]:
    """The sides whose listings are better made by processes of their own."""
    sides = [side for side, storage in storages.items() if storage.capabilities.is_listed_by_processor]
    can_pay = sides and len(os.sched_getaffinity(0)) > 1
    return sides if can_pay and count_files(job_id) >= LARGE_FILES else []


def _start(socket_fd: int) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path or os.curdir for path in sys.path)  # it imports from where we do
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, str(socket_fd)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
        pass_fds=(socket_fd,),
        process_group=0,  # a Ctrl-C at the terminal is for the parent; it decides
    )
