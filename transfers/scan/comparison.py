"""The scan's end of a comparison that was begun before it (`comparer`)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from multiprocessing.connection import Connection
from typing import Any

from jobs import sql
from jobs.models import Job
from jobs.storages import Side, blaming, job_root
from storage_backends.base import ListError
from transfers.scan import lister
from transfers.scan.comparer import Catalogue, Failed, NotListed, Request
from transfers.scan.listing import Ahead, must_be_at
from transfers.scan.merge import BREATH, Joined

SIDES: tuple[Side, Side] = ("source", "sink")
OnError = Callable[[Side, ListError], None]


class Comparison:
    """Once `is_of` has said yes, iterate over `joined`. To be closed, which lets the process go."""

    def __init__(self, job: Job, ours: socket.socket) -> None:
        self.passed_files = self.passed_bytes = 0
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._catalogue = Catalogue(job.pk.hex, sql.schema())

    def close(self) -> None:
        """It ends because nobody listens."""
        self._connection.close()

    def is_of(self, requests: Mapping[Side, lister.Request], locations: Mapping[Side, Sequence[str]]) -> bool:
        """Whether these directories were compared, and with the rows of this job. Raises Refusal where they lie
        somewhere else than they did. A process that died before it told anything is none."""
        try:
            self._connection.send(Request(requests["source"], requests["sink"], self._catalogue))
            found = self._connection.recv()
        except (EOFError, OSError):
            return False
        if found is None or isinstance(found, Failed):
            return False
        for side, location in zip(SIDES, found, strict=True):
            with blaming(side):
                must_be_at(locations[side], location)
        return True

    def joined(self, on_error: OnError) -> Iterator[Joined]:
        """As a `Merge` that passes over what is as it was left. `on_error` is told of what can't be listed before
        anything behind it comes. Raises Refusal, StorageError or OutOfOrder."""
        for passed_files, passed_bytes, rest in self._told():
            self.passed_files += passed_files
            self.passed_bytes += passed_bytes
            for each in rest:
                if isinstance(each, NotListed):
                    on_error(each.side, each.error)
                else:
                    yield each
            yield BREATH

    def _told(self) -> Iterator[Any]:
        try:
            yield from lister.received(self._connection)
        except Failed as failed:
            with blaming(failed.side) if failed.side else nullcontext():
                raise failed.error from failed


def take_over(job: Job, ahead: Ahead, stack: ExitStack) -> Comparison | None:
    """What was begun of this job's two directories, if it was; `stack` lets it go."""
    source, sink = (job_root(job, side) for side in SIDES)
    begun = ahead.pop(((source.url, source.path), (sink.url, sink.path)), None)
    return stack.enter_context(closing(Comparison(job, begun))) if begun else None
