"""Many small files and symbolic links with one group commit.

::

    for each:  read whole, hash            (equal at the sink already? adopt it)
               stage: write where nobody sees it, read back, compare
    for all:   flush                       everything is durable, nothing is visible
               fence                       which of them are still ours?
               look at the lease, publish

An error concerns its own file; only one of `flush` concerns them all, because then nothing is known to be durable.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic
from typing import NamedTuple

from storage_backends.base import Attributes, FileInfo, Kind
from storage_backends.errors import NotRegular, StorageError, VersionChanged
from transfers.engine import failures, outcomes
from transfers.engine.adoption import adopt_small, adopt_symlink
from transfers.engine.context import Context, was_tried_before
from transfers.engine.contracts import LeaseLost, Outcome, Stop, Work
from transfers.engine.failures import Failure, Side, at_sink, at_source

log = logging.getLogger(__name__)

GROUP_BYTES = 64 << 20
"""Staged before a group commit: some storages hold it in memory, and it is lost when the worker dies."""
GROUP_SECONDS = 10.0
"""For so long at most files are staged where a disk is slow: nobody sees them arrive before they are published."""


def copy_small(context: Context, works: Sequence[Work]) -> Generator[list[Outcome], None, list[Work]]:
    """Yields outcomes group by group, as they are published; returns the files that have grown too large for this."""
    waiting, grown = deque(works), list[Work]()
    while waiting:
        group = Group(context)
        yield group.copy(waiting)
        grown += group.grown
    return grown


class Staged(NamedTuple):
    """One file or link that waits for its name."""

    work: Work
    source: FileInfo
    sha256: bytes


class Group:
    """The works of one group commit."""

    def __init__(self, context: Context) -> None:
        self.grown: list[Work] = []
        self._context = context
        self._most_files = context.sink.capabilities.batch_files
        self._batch = context.sink.write_batch(trusts_server=context.trusts_server)
        self._staged: dict[bytes, Staged] = {}
        self._staged_bytes = 0
        self._outcomes: list[Outcome] = []

    def copy(self, waiting: deque[Work]) -> list[Outcome]:
        """Take works from `waiting` until the group is full, publish them, and answer."""
        self._prefetch(waiting)
        try:
            stop = self._stage_until_full(waiting)
            if stop is not Stop.CANCEL:
                stop = max(stop, self._commit())
            if stop is not Stop.NONE:
                self._answer_all([*self._left(), *waiting], lambda work: outcomes.stopped(work, stop))
                waiting.clear()
        except LeaseLost:
            self._answer_all([*self._left(), *waiting], outcomes.lease_lost)
            waiting.clear()
        finally:
            self._discard()
        return self._outcomes

    def _prefetch(self, waiting: deque[Work]) -> None:
        files = [work.path for work in islice(waiting, self._most_files) if work.kind is Kind.FILE]
        self._context.source.prefetch(files, self._context.sink.capabilities.batch_file_bytes)

    def _stage_until_full(self, waiting: deque[Work]) -> Stop:
        end = monotonic() + GROUP_SECONDS
        while waiting and not self._is_full(end):
            stop = self._context.control.stop()
            if stop is not Stop.NONE:
                return stop
            self._stage(waiting[0])
            waiting.popleft()
        return Stop.NONE

    def _is_full(self, end: float) -> bool:
        is_large = self._staged_bytes >= GROUP_BYTES or len(self._staged) >= self._most_files
        return is_large or monotonic() > end

    def _stage(self, work: Work) -> None:
        try:
            outcome = self._stage_symlink(work) if work.kind is Kind.SYMLINK else self._stage_file(work)
            if outcome is not None:
                self._discard_older(work)
        except Failure as failure:
            outcome = failures.failed(work, failure)
            with suppress(Failure):
                self._discard_older(work)
        except LeaseLost:
            raise
        except Exception as error:
            log.exception("task %d", work.task_id)
            outcome = failures.broken(work, error)
        if outcome is not None:
            self._outcomes.append(outcome)

    def _discard_older(self, work: Work) -> None:
        """What earlier claims left of a work that is answered without having been staged (which does it itself)."""
        if was_tried_before(work):
            with at_sink:
                self._context.sink.discard_partials(work.path, self._context.partial(work))

    def _stage_file(self, work: Work) -> Outcome | None:
        """The outcome, if there is one already."""
        context = self._context
        content = self._read(work)
        if content is None:
            self.grown.append(work)
            return None
        source, data = content
        context.must_be_quiet(source)
        sha256 = hashlib.sha256(data).digest()
        is_sink_known = not work.compare_first and not was_tried_before(work)
        if not is_sink_known:  # a crash between rename and row must not send it again
            adopted = adopt_small(context, work, source, data, sha256)
            if adopted is not None:
                return adopted
        context.control.throttle(len(data))
        expected = work.sink_version if is_sink_known else None
        with at_sink:
            self._batch.stage(work.path, data, Attributes.of(source), context.partial(work), expected=expected)
        self._staged[work.path] = Staged(work, source, sha256)
        self._staged_bytes += len(data)
        return None

    def _read(self, work: Work) -> tuple[FileInfo, bytes] | None:
        """The file with the identity its bytes belong to; None if it has outgrown a batch."""
        source, limit = self._context.source, self._context.sink.capabilities.batch_file_bytes
        with at_source:
            try:
                return source.read_whole(work.path, limit)
            except VersionChanged:
                if source.get_file_info(work.path).size > limit:
                    return None
                raise

    def _stage_symlink(self, work: Work) -> Outcome | None:
        context = self._context
        if not context.sink.capabilities.has_symlinks:
            why = "is a symbolic link, which this sink can't hold; nothing to do if that is intended"
            return outcomes.skipped(work, failures.SINK_NO_SYMLINKS, why)
        with at_source:
            # In this order a link replaced in between is recorded with its old identity, and the next scan sees it.
            source = context.source.get_file_info(work.path)
            if source.kind is not Kind.SYMLINK:
                raise NotRegular("it is not a symbolic link any more; the next scan takes it for what it is")
            target = context.source.read_link(work.path)
        sha256 = hashlib.sha256(target).digest()
        if work.compare_first or was_tried_before(work):
            adopted = adopt_symlink(context, work, source, target, sha256)
            if adopted is not None:
                return adopted
        with at_sink:
            self._batch.stage_symlink(work.path, target, Attributes.of(source), context.partial(work))
        self._staged[work.path] = Staged(work, source, sha256)
        return None

    def _commit(self) -> Stop:
        """Flush, ask the fence, look at the lease, publish. Answers for all that is staged unless cancelled."""
        if not self._staged:
            return Stop.NONE
        try:
            with at_sink:
                self._batch.flush()
        except Failure as flush_failure:
            failure = flush_failure
            self._answer_all(self._left(), lambda work: failures.failed(work, failure))
            return Stop.NONE
        ours = self._context.journal.fence(self._left())
        if self._context.control.stop() is Stop.CANCEL:  # and the lease; a release waits for these renames
            return Stop.CANCEL
        self._publish({path for path, staged in self._staged.items() if staged.work.task_id in ours})
        return Stop.NONE

    def _publish(self, wanted: set[bytes]) -> None:
        published = self._batch.publish(wanted)
        for path, staged in self._staged.items():
            is_ours = path in wanted
            self._outcomes.append(_answer(staged, published.get(path)) if is_ours else outcomes.lease_lost(staged.work))
        self._staged.clear()

    def _left(self) -> list[Work]:
        return [staged.work for staged in self._staged.values()]

    def _answer_all(self, works: Iterable[Work], answer: Callable[[Work], Outcome]) -> None:
        self._outcomes += [answer(work) for work in works]
        self._staged.clear()

    def _discard(self) -> None:
        try:
            self._batch.discard()
        except StorageError as error:
            log.warning("partials of a batch could not be removed: %s", error)


def _answer(staged: Staged, published: FileInfo | StorageError | None) -> Outcome:
    if isinstance(published, FileInfo):
        return outcomes.completed(staged.work, staged.source, published, staged.sha256, bytes_copied=staged.source.size)
    error = published or StorageError("the sink did not say what became of it")
    return failures.failed(staged.work, Failure(Side.SINK, error))
