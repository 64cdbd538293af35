"""Directories: made where they are missing, and given their mode, owner and times.

The caller orders them deepest first, once everything below is final, so that no later write below changes a time again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage_backends.base import Attributes, FileInfo, Kind
from storage_backends.errors import NotRegular, StorageError
from transfers.engine import failures, outcomes
from transfers.engine.context import Context
from transfers.engine.contracts import LeaseLost, Outcome, Stop, Work
from transfers.engine.failures import Failure, Side, at_sink, at_source

GROUP_DIRECTORIES = 2000
"""Made durable together; between two groups the parent may stop the work."""


def copy_directories(context: Context, works: Sequence[Work]) -> Iterator[list[Outcome]]:
    """Make directories like their sources, deepest first; b"" is the job's own. Yields outcomes group by group."""
    if not context.sink.capabilities.has_directories:
        yield [outcomes.nothing_to_do(work) for work in works]
        return
    for start in range(0, len(works), GROUP_DIRECTORIES):
        yield _copy_group(context, works[start : start + GROUP_DIRECTORIES])


def _copy_group(context: Context, works: Sequence[Work]) -> list[Outcome]:
    try:
        stop = context.control.stop()
        if stop is not Stop.NONE:
            return [outcomes.stopped(work, stop) for work in works]
        return _write(context, works)
    except LeaseLost:
        return [outcomes.lease_lost(work) for work in works]
    except Failure as failure:
        return [failures.failed(work, failure) for work in works]


def _write(context: Context, works: Sequence[Work]) -> list[Outcome]:
    sources, answers = list[tuple[Work, FileInfo]](), list[Outcome]()
    for work in works:
        try:
            sources.append((work, _look(context, work)))
        except Failure as failure:
            answers.append(failures.failed(work, failure))
    if sources:
        with at_sink:
            written = context.sink.write_directories([(work.path, Attributes.of(info)) for work, info in sources])
        answers += [_answer(*each, sink) for each, sink in zip(sources, written, strict=True)]
    return answers


def _look(context: Context, work: Work) -> FileInfo:
    with at_source:
        source = context.source.get_file_info(work.path)
        if source.kind is not Kind.DIRECTORY:
            raise NotRegular("it is not a directory any more; the next scan takes it for what it is")
    return source


def _answer(work: Work, source: FileInfo, sink: FileInfo | StorageError) -> Outcome:
    if isinstance(sink, StorageError):
        return failures.failed(work, Failure(Side.SINK, sink))
    return outcomes.completed(work, source, sink, b"")
