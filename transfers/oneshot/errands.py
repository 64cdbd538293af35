"""What the mother's children do before there is a scan: list a place, or compare two."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from transfers.engine.prefetch import Memory, Prefetched, Prefetcher
from transfers.scan import lister

if TYPE_CHECKING:
    from transfers.scan.listing import Ahead

#: The storage that a one-shot sync's directories lie in. If the job's is another one, nobody asks for what was found.
URL = "file:///"
FIRST_BYTES = 1 << 20
"""Of a listing of files that are all to be copied, about 12,000: more would take the processor from Django now, and
from nobody later."""


class Place(NamedTuple):
    """A directory of a storage."""

    url: str
    path: bytes

    @classmethod
    def of(cls, tree: Path) -> Self:
        """A local one, by its real path."""
        return cls(URL, b"/".join(map(os.fsencode, tree.parts[1:])))

    @property
    def kind(self) -> str:
        """Of the storage. Two of a kind may hold the same directories."""
        return self.url.partition(":")[0]


class Errand(NamedTuple):
    """Of one child."""

    url: str
    """The storage whose backend it needs."""
    files: tuple[socket.socket | Memory, ...]
    """All that it keeps open, besides stderr."""
    do: Callable[[], None]


class Plan(NamedTuple):
    """What is begun for the places of a sync, both or those that are there and known."""

    errands: Sequence[Errand]
    ahead: Ahead
    """Where to ask for what they find."""
    expects_work: bool
    """Whether it is probable that something is to be copied."""
    prefetched: Prefetched | None = None
    """What one of them reads for the workers."""


def first_sync(places: Iterable[Place], *, prefetch: Place | None) -> Plan:
    """Each is listed. `prefetch`: the one of which all is to be copied, as far as anybody knows."""
    prefetched = Prefetched(Memory.new(), *prefetch) if prefetch else None
    return Plan(*_list_each(list(places), prefetched), expects_work=True, prefetched=prefetched)


def later_sync(places: Iterable[Place], catalogue: Path) -> Plan:
    """Two local ones are compared with the `catalogue`, the database of an earlier sync of theirs."""
    places = list(places)
    is_local = [place.url for place in places] == [URL, URL]
    return Plan(*(_compare(catalogue, *places) if is_local else _list_each(places)), expects_work=False)


def _list_each(places: Sequence[Place], prefetched: Prefetched | None = None) -> tuple[list[Errand], Ahead]:
    pairs = {place: socket.socketpair() for place in places}
    errands = [_list(place, places, theirs, prefetched) for place, (_, theirs) in pairs.items()]
    return errands, {place: ours for place, (ours, _) in pairs.items()}


def _list(
    place: Place, places: Sequence[Place], theirs: socket.socket, prefetched: Prefetched | None = None
) -> Errand:
    memory = prefetched.memory if prefetched and prefetched.place == place else None
    others = [other for other in places if other.kind == place.kind and other != place]

    def do() -> None:
        guess, most = lister.guess(place.path, others), FIRST_BYTES if place.url == URL else lister.AHEAD_BYTES
        prefetcher = Prefetcher(memory) if memory else None
        serve = partial(lister.serve_ahead, url=place.url, guess=guess, most_bytes=most, prefetcher=prefetcher)
        lister.main(theirs.detach(), serve)

    return Errand(place.url, (theirs, memory) if memory else (theirs,), do)


def _compare(catalogue: Path, source: Place, sink: Place) -> tuple[list[Errand], Ahead]:
    (asks, asked), (ours, theirs) = socket.socketpair(), socket.socketpair()

    def do() -> None:
        from transfers.scan import comparer  # sqlite3, which nobody else here needs

        paths = source.path, sink.path
        serve = partial(comparer.serve_ahead, asks=asks.detach(), database=catalogue, url=URL, paths=paths)
        lister.main(theirs.detach(), serve)

    return [Errand(URL, (theirs, asks), do), _list(sink, [source, sink], asked)], {(source, sink): ours}
