"""Directories: made where they are missing, and given their mode, owner and times.

The caller orders them deepest first, once everything below is final, so that no later write below changes a time again.
"""

from __future__ import annotations

from storage_backends.base import Attributes, Kind
from storage_backends.errors import NotRegular
from transfers.engine import failures, outcomes
from transfers.engine.context import Context
from transfers.engine.contracts import LeaseLost, Outcome, Stop, Work
from transfers.engine.failures import Failure, at_sink, at_source


def copy_directory(context: Context, work: Work) -> Outcome:
    """Make one directory like its source; b"" is the job's own."""
    if not context.sink.capabilities.has_directories:
        return outcomes.nothing_to_do(work)
    try:
        stop = context.control.stop()
        if stop is not Stop.NONE:
            return outcomes.stopped(work, stop)
        return _write(context, work)
    except LeaseLost:
        return outcomes.lease_lost(work)
    except Failure as failure:
        return failures.failed(work, failure)


def _write(context: Context, work: Work) -> Outcome:
    with at_source:
        source = context.source.get_file_info(work.path)
        if source.kind is not Kind.DIRECTORY:
            raise NotRegular("it is not a directory any more; the next scan takes it for what it is")
    with at_sink:
        sink = context.sink.write_directory(work.path, Attributes.of(source))
    return outcomes.completed(work, source, sink, b"")
