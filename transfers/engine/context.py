"""What every step of an assignment needs: the two storages, the journal and the control."""

from __future__ import annotations

import time
from typing import NamedTuple

from storage_backends.base import FileInfo, OpenFile, PartialId, Storage
from storage_backends.errors import VersionChanged
from transfers.engine.contracts import Assignment, Control, Journal, Stop, Verify, Work
from transfers.engine.failures import Failure, Side, at_source
from transfers.engine.prefetch import Prefetched


class Interrupted(Exception):
    """The parent wants the assignment to end early. Never leaves the engine."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.name)
        self.stop = stop


class Context(NamedTuple):
    """One assignment under way."""

    assignment: Assignment
    source: Storage
    sink: Storage
    journal: Journal
    control: Control
    prefetched: Prefetched | None = None
    """What of the source was read already."""

    def partial(self, work: Work) -> PartialId:
        """The name of `work`'s partial at this epoch."""
        assignment = self.assignment
        return PartialId.of(assignment.installation, assignment.job_id, work.path, work.epoch)

    @property
    def trusts_server(self) -> bool:
        """Whether the digests that the sink's server verified are enough, and nothing is read back."""
        return self.assignment.verify is Verify.STORED and self.sink.capabilities.verifies_digest is not None

    @property
    def reads_before_commit(self) -> bool:
        """Whether the sink gives back what was written before it has its name."""
        return self.sink.capabilities.reads_back_before_commit

    def must_be_quiet(self, source: FileInfo) -> None:
        """Raises Failure if the file has changed so lately that the job does not want it copied yet. A time in the
        future says nothing."""
        wanted = self.assignment.quiet_seconds
        if not wanted or source.mtime_ns is None:
            return
        quiet = time.time() - source.mtime_ns / 1e9
        if 0 <= quiet < wanted:
            text = f"it changed {quiet:.0f} s ago; it is copied once it was left alone for {wanted} s"
            raise Failure(Side.SOURCE, VersionChanged(text, retry_after_seconds=wanted - quiet))

    def check_stop(self) -> None:
        """Raises Interrupted if the parent wants an end, LeaseLost past the lease."""
        stop = self.control.stop()
        if stop is not Stop.NONE:
            raise Interrupted(stop)


def was_tried_before(work: Work) -> bool:
    """Whether an earlier claim may have left something at the sink: a partial, or even the finished file."""
    return work.attempts > 1 or work.epoch > 1


def read_source(source: OpenFile, offset: int, buffer: memoryview) -> None:
    """Fill `buffer`; a file that ends earlier than it did when it was opened has changed."""
    with at_source:
        count = source.read_into(offset, buffer)
    if count != len(buffer):
        raise Failure(Side.SOURCE, VersionChanged(f"it was cut to {offset + count:,} bytes while it was read"))
