"""From a claimed scan row to a finished one: open both sides, look at the roots, scan, write down how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from jobs import parking, scans
from jobs.errors import Refusal
from jobs.models import Job, Scan
from jobs.overlaps import refuse_clash, refuse_overlap
from jobs.storages import Side, blaming, job_root, opened
from storage_backends.base import RootIdentity
from storage_backends.errors import StorageError
from transfers.scan.joining import Opened, begin
from transfers.scan.listing import Ahead
from transfers.scan.merge import OutOfOrder
from transfers.scan.run import ScanLost, ScanRun

log = logging.getLogger(__name__)


class Parked(Exception):
    """The roots are not what they were; nothing may be done until they are again."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def perform(scan: Scan, machine: str, *, should_stop: Callable[[], bool], ahead: Ahead | None = None) -> None:
    """Perform `scan`, claimed by this process. Never raises for what belongs to the job: that is written to its row.

    `ahead`: what was begun before; that of this job is taken out."""
    try:
        must_look_again = _scan(scan, machine, should_stop, {} if ahead is None else ahead)
    except ScanLost as lost:
        log.info("scan %s of job %s given up: %s", scan.pk, scan.job_id, lost)
        scans.give_back(scan)
    except Parked as parked:
        parking.park(scan.job, parked.code, str(parked))
        scans.finish(scan, error_code=parked.code, error_text=str(parked))
    except Refusal as error:
        scans.finish(scan, error_code=error.code, error_text=error.message)
    except (StorageError, OutOfOrder) as error:
        scans.finish(scan, error_code="SCAN_FAILED", error_text=str(error))
    else:
        scans.finish(scan, must_look_again=must_look_again)


def _scan(scan: Scan, machine: str, should_stop: Callable[[], bool], ahead: Ahead) -> bool:
    """Scan to the end; returns whether another scan has to come soon."""
    job = scan.job
    was_seen = bool(ahead)  # by whoever began to list it
    with _opened(job, "source", was_seen=was_seen) as source, ExitStack() as begun:
        with _opened(job, "sink", was_seen=was_seen) as sink:
            processes = begin(job, {"source": source.storage, "sink": sink.storage}, ahead, begun)
            _check_roots(job, source.root, sink.root)
        # Nothing is made before that; far away, this one goes on with the connection of that one.
        with _opened(job, "sink", was_seen=True, create=not scan.is_preview) as sink:
            if not scan.is_preview:
                _check_device("sink", job.sink_path, sink.root, job.sink_device)
                parking.roots_are_in_order(job)
                _bind(job, machine, source, sink)
            # A storage's root itself belongs to the operator; a directory below it to the job.
            with_root = bool(job_root(job, "sink").path)
            sides: dict[Side, Opened] = {"source": source, "sink": sink}
            run = ScanRun(scan, sides, with_root=with_root, should_stop=should_stop, processes=processes)
            run.run()
            return run.must_look_again


@contextmanager
def _opened(job: Job, side: Side, *, was_seen: bool, create: bool = False) -> Iterator[Opened]:
    """A side, and what its root is now. What opening it raises is told of that side. `was_seen`: just before."""
    with ExitStack() as stack:
        with blaming(side):
            storage = stack.enter_context(opened(job_root(job, side), create=create))
            root = storage.presumed_identity() if was_seen else storage.root_identity()
        yield Opened(storage, root)


def _check_roots(job: Job, source: RootIdentity, sink: RootIdentity) -> None:
    _check_device("source", job.source_path, source, job.source_device)
    if not source.exists:
        raise Refusal("ROOT_MISSING", f"The source {job.source_path!r} does not exist (any more).", field="source_path")
    _check_device("sink", job.sink_path, sink, job.sink_device)
    refuse_overlap(source, sink)
    refuse_clash(source, sink, ignore=job)


def _check_device(side: str, path: str, found: RootIdentity, recorded: str) -> None:
    """An empty or missing root on another device than before is an unmounted disk, not an emptied directory."""
    if recorded and found.device != recorded and (found.is_empty or not found.exists):
        what = "empty" if found.exists else "missing"
        raise Parked(
            "ROOT_CHANGED",
            f"The {side} {path!r} is {what} and lies on another device than before: is its disk mounted? "
            "Nothing is copied until it is back; the next scan looks again. If another disk belongs there now, put a "
            "file into that directory on it.",
        )


def _bind(job: Job, machine: str, source: Opened, sink: Opened) -> None:
    """To the devices that were looked at, whatever is mounted there by now."""
    is_bound = source.storage.capabilities.is_per_machine or sink.storage.capabilities.is_per_machine
    devices = {"source_device": source.root.device, "sink_device": sink.root.device}
    scans.bind(job, machine=machine if is_bound else "", **devices)
