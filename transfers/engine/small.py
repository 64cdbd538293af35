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
from transfers.engine.messages import Outcomes, Plain
from transfers.engine.prefetch import Content

log = logging.getLogger(__name__)
_make = tuple.__new__
_GO_ON = Stop.NONE

GROUP_BYTES = 64 << 20
"""Staged before a group commit: some storages hold it in memory, and it is lost when the worker dies."""
GROUP_SECONDS = 10.0
"""For so long at most files are staged where a disk is slow: nobody sees them arrive before they are published."""


def copy_small(context: Context, works: Sequence[Work]) -> Generator[Outcomes, None, list[Work]]:
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
        self._context, self._source, self._control = context, context.source, context.control
        self._prefetched = context.prefetched
        self._most_files = context.sink.capabilities.batch_files
        self._most_bytes = context.sink.capabilities.batch_file_bytes
        self._batch = context.sink.write_batch(trusts_server=context.trusts_server)
        self._staged: dict[bytes, Staged] = {}
        self._staged_bytes = 0
        self._outcomes: list[Outcome] = []
        self._copied: list[Plain] = []

    def copy(self, waiting: deque[Work]) -> Outcomes:
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
        return Outcomes(tuple(self._outcomes), self._copied)

    def _prefetch(self, waiting: deque[Work]) -> None:
        known = self._prefetched or ()
        group = islice(waiting, self._most_files)
        files = [work.path for work in group if work.kind is Kind.FILE and work.path not in known]
        self._source.prefetch(files, self._most_bytes)

    def _stage_until_full(self, waiting: deque[Work]) -> Stop:
        end = monotonic() + GROUP_SECONDS
        while waiting and not self._is_full(end):
            stop = self._control.stop()
            if stop is not _GO_ON:
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
        source, data, sha256 = content
        context.must_be_quiet(source)
        is_sink_known = not work.compare_first and not was_tried_before(work)
        if not is_sink_known:  # a crash between rename and row must not send it again
            adopted = adopt_small(context, work, source, data, sha256)
            if adopted is not None:
                return adopted
        self._control.throttle(len(data))
        expected = work.sink_version if is_sink_known else None
        with at_sink:
            self._batch.stage(work.path, data, Attributes.of(source), context.partial(work), expected=expected)
        self._staged[work.path] = _make(Staged, (work, source, sha256))
        self._staged_bytes += len(data)
        return None

    def _read(self, work: Work) -> Content | None:
        """The file with the identity its bytes belong to; None if it has outgrown a batch."""
        if self._prefetched and (content := self._prefetched.take(work.path, self._most_bytes)):
            return content
        with at_source:
            try:
                info, data = self._source.read_whole(work.path, self._most_bytes)
                return info, data, hashlib.sha256(data).digest()
            except VersionChanged:
                if self._source.get_file_info(work.path).size > self._most_bytes:
                    return None
                raise

    def _stage_symlink(self, work: Work) -> Outcome | None:
        context = self._context
        if not context.sink.capabilities.has_symlinks:
            why = "is a symbolic link, which this sink can't hold; nothing to do if that is intended"
            return outcomes.skipped(work, failures.SINK_NO_SYMLINKS, why)
        with at_source:
            # In this order a link replaced in between is recorded with its old identity, and the next scan sees it.
            source = self._source.get_file_info(work.path)
            if source.kind is not Kind.SYMLINK:
                raise NotRegular("it is not a symbolic link any more; the next scan takes it for what it is")
            target = self._source.read_link(work.path)
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
        if self._control.stop() is Stop.CANCEL:  # and the lease; a release waits for these renames
            return Stop.CANCEL
        self._publish({path for path, staged in self._staged.items() if staged.work.task_id in ours})
        return Stop.NONE

    def _publish(self, wanted: set[bytes]) -> None:
        published = self._batch.publish(wanted)
        for path, staged in self._staged.items():
            if path in wanted:
                self._answer(staged, published.get(path))
            else:
                self._outcomes.append(outcomes.lease_lost(staged.work))
        self._staged.clear()

    def _answer(self, staged: Staged, published: FileInfo | StorageError | None) -> None:
        work, source, sha256 = staged
        if not isinstance(published, FileInfo):
            error = published or StorageError("the sink did not say what became of it")
            self._outcomes.append(failures.failed(work, Failure(Side.SINK, error)))
        elif outcomes.dropped_bits(source, published):
            self._outcomes.append(outcomes.completed(work, source, published, sha256, bytes_copied=source.size))
        else:
            self._copied.append(outcomes.copied(work, source, published, sha256))

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
