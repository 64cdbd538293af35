"""What a one-shot sync begins before it loads Django, while a second processor has nothing to do.

::

    the command ──fork──▶ mother ──fork──▶ lists the source   ┐ they guess what the scan will ask for, keep what
         │                   │   └──fork──▶ lists the sink    ┘ they find until it asks, and end if it never does
    loads Django       loads the engine,              (one in another storage once she has loaded that one's backend)
         │             waits for orders ──fork──▶ worker
    forks the scheduler, whose scan asks the listers

Listers only read, and the mother does nothing but wait: it is harmless to begin before it is known whether
there will be a scan or work. All end with the command: the kernel kills a child when its parent dies.
"""

from __future__ import annotations

import os
import signal
import socket
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self

from storage_backends import registry
from transfers.scan import lister

if TYPE_CHECKING:
    from transfers.engine.mother import Mother

#: The storage that a one-shot sync's directories lie in. If the job's is another one, nobody asks the listers.
URL = "file:///"
FRESH_SECONDS = 10.0
"""So old a listing may be when its scan begins. Who was stopped meanwhile, or whose machine slept, lists anew."""


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


class HeadStart:
    """The handle on it. To be made while this process has one thread and is still small."""

    def __init__(self, places: Iterable[Place], *, expects_work: bool) -> None:
        """`places`: both sides, as far as they are there and known. `expects_work`: the mother loads the engine at
        once, and not when the first worker is asked for."""
        self._begun = _boottime()
        registry.load(URL)  # like all that is imported above, once for this process and its children
        pairs = {place: socket.socketpair() for place in places}
        self._orders, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listings: dict[tuple[str, bytes], socket.socket] = {place: ours for place, (ours, _) in pairs.items()}
        """See `scan.listing.Ahead`."""
        parent, self._pid = os.getpid(), os.fork()
        if self._pid == 0:
            _be_mother(parent, orders, {place: theirs for place, (_, theirs) in pairs.items()}, expects_work)
        for theirs in (orders, *(theirs for _, theirs in pairs.values())):
            theirs.close()

    def is_fresh(self) -> bool:
        """Whether what is listed may be taken for what is there."""
        return _boottime() - self._begun <= FRESH_SECONDS

    def mother(self) -> Mother:
        """Who starts workers; to be closed."""
        from transfers.engine.mother import Mother

        return Mother(self._pid, self._orders)

    def drop_listings(self) -> None:
        """Nobody in this process will ask for them."""
        for ours in self.listings.values():
            ours.close()
        self.listings.clear()

    def drop_mother(self) -> None:
        """In a fork of the process that made her: she is not to live as long as it."""
        self._orders.close()


def _boottime() -> float:
    """Goes on while the machine sleeps. (The engine's would load the engine.)"""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _be_mother(
    parent: int, orders: socket.socket, listings: Mapping[Place, socket.socket], expects_work: bool
) -> NoReturn:
    code, urls = 1, [place.url for place in listings if place.url != URL]
    try:
        _leave_family(parent, orders, *listings.values())
        listers = list(_fork_listers(listings, [URL]))
        for url in urls:
            registry.load(url)  # once for the lister and all workers
        listers += _fork_listers(listings, urls)
        from transfers.engine import mother

        if expects_work:
            mother.load(urls)
        mother.serve(orders, urls)
        for lister in listers:
            os.kill(lister, signal.SIGKILL)  # it may wait to be asked; one that has ended waits for us
            os.waitpid(lister, 0)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _leave_family(parent: int, *sockets: socket.socket) -> None:
    """Keep these sockets and stderr alone, live as long as the parent, and leave Ctrl-C and SIGTERM to it."""
    from transfers.engine.lifeline import die_with_parent

    die_with_parent(parent)
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    kept = {0, 1, 2, *(each.fileno() for each in sockets)}
    for fd in {int(name) for name in os.listdir("/proc/self/fd")} - kept:
        with suppress(OSError):  # what listed them is closed already
            os.close(fd)


def _fork_listers(listings: Mapping[Place, socket.socket], urls: Sequence[str]) -> Iterator[int]:
    """One for each place in these storages."""
    for place in [place for place in listings if place.url in urls]:
        others = [other for other in listings if other.kind == place.kind and other != place]
        yield _fork_lister(place, others, listings[place])


def _fork_lister(place: Place, others: Sequence[Place], theirs: socket.socket) -> int:
    mother, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            _leave_family(mother, theirs)
            if place.url != URL:
                _silence_libraries()
            fd, (url, path) = theirs.detach(), place
            lister.main(fd, lambda connection: lister.serve_ahead(connection, url, lister.guess(path, others)))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    theirs.close()
    return pid


def _silence_libraries() -> None:
    """Here nothing makes their words printable, and perhaps nobody will ask for the listing. Who does is told why it
    failed."""
    import logging  # they have loaded it; a directory's lister does without

    logging.disable()
