"""What a one-shot sync begins before it loads Django, while a second processor has nothing to do.

::

    the command ──fork──▶ mother ──fork──▶ lists the source   ┐ they guess what the scan will ask for, keep what
         │                   │   └──fork──▶ lists the sink    ┘ they find until it asks, and end if it never does;
         │                   │                                   the first reads small files in a sync that is new
    loads Django       loads the engine,              (one in another storage once she has loaded that one's backend)
         │             waits for orders ──fork──▶ worker
    forks the scheduler, whose scan asks the listers

Where there is a catalogue, who lists the source asks the one that lists the sink, reads the catalogue and compares; the
scan asks him alone. They only read, and the mother does nothing but wait: it is harmless to begin before it is known
whether there will be a scan or work. All end with the command: the kernel kills a child when its parent dies.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

from storage_backends import registry
from transfers.engine.prefetch import Memory, boottime
from transfers.oneshot.errands import URL, Errand, Plan

if TYPE_CHECKING:
    from transfers.engine.mother import Mother

FRESH_SECONDS = 10.0
"""So old a listing may be when its scan begins. Who was stopped meanwhile, or whose machine slept, lists anew."""


class HeadStart:
    """The handle on it. To be made while this process has one thread and is still small."""

    def __init__(self, plan: Plan) -> None:
        """Where it expects work the mother loads the engine at once, and not for the first worker."""
        self._begun, self.ahead, self.expects_work = boottime(), plan.ahead, plan.expects_work
        registry.load(URL)  # like all that is imported above, once for this process and its children
        self._orders, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent, self._pid = os.getpid(), os.fork()
        if self._pid == 0:
            _be_mother(parent, orders, plan)
        for theirs in {orders, *_files(plan)}:
            theirs.close()

    def is_fresh(self) -> bool:
        """Whether what was found may be taken for what is there."""
        return boottime() - self._begun <= FRESH_SECONDS

    def mother(self) -> Mother:
        """Who starts workers; to be closed."""
        from transfers.engine.mother import Mother

        return Mother(self._pid, self._orders)

    def drop(self) -> None:
        """Nobody in this process will ask for what was begun."""
        for ours in self.ahead.values():
            ours.close()
        self.ahead.clear()

    def drop_mother(self) -> None:
        """In a fork of the process that made her: she is not to live as long as it."""
        self._orders.close()


def _files(plan: Plan) -> Iterator[socket.socket | Memory]:
    return chain.from_iterable(errand.files for errand in plan.errands)


def _be_mother(parent: int, orders: socket.socket, plan: Plan) -> NoReturn:
    code, urls = 1, [errand.url for errand in plan.errands if errand.url != URL]
    try:
        _leave_family(parent, orders, *_files(plan))
        children = [_fork(errand) for errand in plan.errands if errand.url == URL]
        for url in urls:
            registry.load(url)  # once for who lists there and all workers
        children += [_fork(errand) for errand in plan.errands if errand.url != URL]
        from transfers.engine import mother

        if plan.expects_work:
            mother.load(urls)
        mother.serve(orders, urls, plan.prefetched)
        for child in children:
            os.kill(child, signal.SIGKILL)  # it may wait to be asked; one that has ended waits for us
            os.waitpid(child, 0)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _leave_family(parent: int, *files: socket.socket | Memory) -> None:
    """Keep these files and stderr alone, live as long as the parent, and leave Ctrl-C and SIGTERM to it."""
    from transfers.engine.lifeline import die_with_parent

    die_with_parent(parent)
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    kept = {0, 1, 2, *(each.fileno() for each in files)}
    for fd in {int(name) for name in os.listdir("/proc/self/fd")} - kept:
        with suppress(OSError):  # what listed them is closed already
            os.close(fd)


def _fork(errand: Errand) -> int:
    mother, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            _leave_family(mother, *errand.files)
            if errand.url != URL:
                _silence_libraries()
            errand.do()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    for theirs in errand.files:
        if isinstance(theirs, socket.socket):
            theirs.close()  # the memory is handed on to workers
    return pid


def _silence_libraries() -> None:
    """Here nothing makes their words printable, and perhaps nobody will ask for the listing. Who does is told why it
    failed."""
    import logging  # they have loaded it; a directory's lister does without

    logging.disable()
