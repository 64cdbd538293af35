"""The three streams of a scan, wherever they come from: read here, listed by processes, or joined by one already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import NamedTuple

from jobs import sql
from jobs.models import Job
from jobs.storages import Side, blaming, job_root
from storage_backends.base import ListError, RootIdentity, Storage
from transfers.scan.comparison import Comparison, take_over
from transfers.scan.lister import Request
from transfers.scan.listing import Ahead, Listers, start_for
from transfers.scan.merge import Entry, Joined, Listed, Merge, listed
from transfers.scan.rules import Rules


class Opened(NamedTuple):
    """A side of a job, and what its root was when it was opened."""

    storage: Storage
    root: RootIdentity


class Processes(NamedTuple):
    """That work for one scan."""

    listers: Listers
    comparison: Comparison | None


NONE = Processes({}, None)


def begin(job: Job, storages: Mapping[Side, Storage], ahead: Ahead, stack: ExitStack) -> Processes:
    """Those that were begun before there was this scan, or are worth it; `stack` ends them."""
    comparison = take_over(job, ahead, stack)
    return Processes({} if comparison else start_for(job, storages, ahead, stack), comparison)


class Joining:
    """What the sides and the catalogue of a job say of each path."""

    def __init__(
        self, job: Job, sides: Mapping[Side, Opened], rules: Rules, *, with_root: bool, processes: Processes
    ) -> None:
        """`with_root`: the job's own directories are among what is joined."""
        self._job, self._sides, self._rules = job, sides, rules
        self._with_root, self._processes = with_root, processes
        self._by: Merge | Comparison

    @property
    def passed_files(self) -> int:
        """So many are as they were left and were not shown."""
        return self._by.passed_files

    @property
    def passed_bytes(self) -> int:
        """Of these files."""
        return self._by.passed_bytes

    def paths(self, on_error: Callable[[Side, ListError], None]) -> Iterable[Joined]:
        """All of them in byte order, once; see `Merge`. `on_error` is told of what can't be listed before anything
        behind it comes. Raises Refusal, StorageError or OutOfOrder."""
        sink_root = self._sides["sink"].root
        others: dict[Side, RootIdentity] = {"source": sink_root, "sink": self._sides["source"].root}
        requests = {side: self._request(side, other) for side, other in others.items()}
        comparison = self._processes.comparison
        if comparison and sink_root.exists and self._is_compared(comparison, requests):
            self._by = comparison
            return comparison.joined(on_error)
        source = self._listed("source", requests["source"], on_error)
        sink = self._listed("sink", requests["sink"], on_error) if sink_root.exists else iter(())
        rows = sql.pages(str(self._job.pk)).catalogue()
        self._by = joined = Merge(source, rows, sink, passes_over=not self._rules)
        return joined

    def _is_compared(self, comparison: Comparison, requests: Mapping[Side, Request]) -> bool:
        """Rules could not be guessed, and the job's own directories were compared as well."""
        locations = {side: opened.storage.location() for side, opened in self._sides.items()}
        return self._with_root and not self._rules and comparison.is_of(requests, locations)

    def _request(self, side: Side, other: RootIdentity) -> Request:
        """What `exclude` leaves out is pruned at the source only."""
        exclude = self._job.exclude if side == "source" else ""
        return Request(job_root(self._job, side).path, exclude, other.chain[:1])

    def _listed(
        self, side: Side, request: Request, on_error: Callable[[Side, ListError], None]
    ) -> Iterator[list[Listed]]:
        with blaming(side):
            root: list[Sequence[Entry]] = [[self._sides[side].storage.get_file_info(b"")]] if self._with_root else []
            chunks = self._chunks(side, request)
            yield from listed(chain(root, chunks), lambda error: on_error(side, error))

    def _chunks(self, side: Side, request: Request) -> Iterable[Sequence[Entry]]:
        storage, listers = self._sides[side].storage, self._processes.listers
        if side in listers:
            return listers[side].list_chunks(request, storage.location())
        prune = self._rules.prune if request.exclude else None
        return storage.list_chunks(prune=prune, stop_at=request.stop_at)
