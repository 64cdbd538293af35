"""From an assignment to its outcomes: exactly one for every work, whatever happens."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain

from storage_backends.base import Kind, Storage
from storage_backends.errors import RootChanged
from storage_backends.registry import open_storage
from transfers.engine import failures
from transfers.engine.context import Context
from transfers.engine.contracts import Assignment, Control, Journal, Outcome, Place, Result, Verify, Work
from transfers.engine.directories import copy_directories
from transfers.engine.failures import Failure, at_sink, at_source
from transfers.engine.large import copy_large
from transfers.engine.messages import Outcomes
from transfers.engine.prefetch import Prefetched
from transfers.engine.small import copy_small

log = logging.getLogger(__name__)

MAX_OPEN_STORAGES = 8


class Storages:
    """The storages a worker keeps open from one assignment to the next. One thread."""

    def __init__(self, prefetched: Prefetched | None = None) -> None:
        """With `prefetched` the scan has looked at everything at this moment."""
        self._open: OrderedDict[Place, Storage] = OrderedDict()
        self._is_doubtful = prefetched is None
        self._prefetched = prefetched

    def open(self, place: Place) -> Storage:
        """The storage at `place`; raises StorageError. One that may not answer is asked first: else every file would
        find out by itself, and wait for it."""
        if place not in self._open:
            self._open[place] = _open(place, is_doubtful=self._is_doubtful)
        self._open.move_to_end(place)
        return self._open[place]

    def prefetched(self, place: Place) -> Prefetched | None:
        """What of it was read already."""
        return self._prefetched and self._prefetched.of(place.url, place.path)

    def release(self, had_trouble: bool) -> None:
        """After an assignment: keep the few last used. All are opened anew after trouble, and one that holds its root
        (a directory) always is."""
        self._is_doubtful |= had_trouble
        for place, storage in list(self._open.items()):
            if had_trouble or storage.capabilities.holds_its_root or len(self._open) > MAX_OPEN_STORAGES:
                del self._open[place]
                storage.close()

    def close(self) -> None:
        """Close them all."""
        self.release(had_trouble=True)


def _open(place: Place, *, is_doubtful: bool) -> Storage:
    """The device is looked at before anything is made: an unmounted disk's empty mount point is not to be written."""
    if not place.device:
        return open_storage(place.url, place.path, create=place.create)
    storage, is_there = _open_on_device(place, create=False, is_doubtful=is_doubtful)
    if is_there or not place.create:
        return storage
    storage.close()
    return _open_on_device(place, create=True, is_doubtful=is_doubtful)[0]


def _open_on_device(place: Place, *, create: bool, is_doubtful: bool) -> tuple[Storage, bool]:
    """And whether there is anything. Raises RootChanged."""
    storage = open_storage(place.url, place.path, create=create)
    try:
        root = storage.root_identity() if is_doubtful else storage.presumed_identity()
        if root.device != place.device:
            raise RootChanged()
    except BaseException:
        storage.close()
        raise
    return storage, root.exists


def run(assignment: Assignment, storages: Storages, journal: Journal, control: Control) -> Iterator[Outcome]:
    """Do the works of `assignment`; one outcome each."""
    groups = run_in_groups(assignment, storages, journal, control)
    return chain.from_iterable(group.in_full() for group in groups)


def run_in_groups(assignment: Assignment, storages: Storages, journal: Journal, control: Control) -> Iterator[Outcomes]:
    """The same, those together that became true together (one group commit)."""
    unanswered = {work.task_id: work for work in assignment.works}
    had_trouble = False
    try:
        for group in _groups(assignment, storages, journal, control):
            others = [outcome for outcome in group.outcomes if unanswered.pop(outcome.task_id, None)]
            copied = [plain for plain in group.copied if unanswered.pop(plain[0], None)]
            had_trouble |= any(answer.result in (Result.RETRY, Result.FAILED) for answer in others)
            if others or copied:
                yield Outcomes(tuple(others), copied)
        missing = RuntimeError("the engine gave no answer")
        rest = [failures.broken(work, missing) for work in unanswered.values()]
    except Failure as failure:  # a storage that can't be opened concerns all
        rest = [failures.failed(work, failure) for work in unanswered.values()]
    except Exception as error:
        log.exception("assignment %d of job %s", assignment.number, assignment.job_id)
        rest = [failures.broken(work, error) for work in unanswered.values()]
    if rest:
        yield Outcomes(tuple(rest), [])
    storages.release(had_trouble or bool(rest))


def _groups(assignment: Assignment, storages: Storages, journal: Journal, control: Control) -> Iterator[Outcomes]:
    with at_source:
        source = storages.open(assignment.source)
    with at_sink:
        sink = storages.open(assignment.sink)
    context = Context(assignment, source, sink, journal, control, storages.prefetched(assignment.source))
    small, large, directories = _sort(context)
    grown = yield from copy_small(context, small)
    for work in (*large, *grown):
        yield Outcomes.pack([_do(copy_large, context, work)])
    yield from map(Outcomes.pack, copy_directories(context, directories))


def _do(copy: Callable[[Context, Work], Outcome], context: Context, work: Work) -> Outcome:
    try:
        return copy(context, work)
    except Exception as error:
        log.exception("task %d", work.task_id)
        return failures.broken(work, error)


def _sort(context: Context) -> tuple[list[Work], list[Work], list[Work]]:
    """Works of small files and links, those that need an upload of their own, and directories."""
    limit = _most_bytes(context)
    small, large, directories = list[Work](), list[Work](), list[Work]()
    file, directory = Kind.FILE, Kind.DIRECTORY
    for work in context.assignment.works:
        if work.kind is file and (work.token or work.size > limit):
            large.append(work)
        elif work.kind is directory:
            directories.append(work)
        else:
            small.append(work)
    return small, large, directories


def _most_bytes(context: Context) -> int:
    """Of a small file. verify=disk needs uploads: nothing else can be read from the device. And where a rate is kept,
    a pause is to come between two parts, and people want to see them go."""
    if context.assignment.verify is Verify.DISK and context.reads_before_commit:
        return -1
    capabilities = context.sink.capabilities
    most = capabilities.batch_file_bytes
    return min(most, capabilities.preferred_part_bytes) if context.control.has_rate() else most
