"""Compare instead of copy: content that the sink holds already is adopted, nothing is sent."""

from __future__ import annotations

import hashlib

from storage_backends.base import Attributes, FileInfo, Kind, OpenFile
from storage_backends.errors import NotFound, NotRegular, PreconditionFailed, VersionChanged
from transfers.engine import outcomes
from transfers.engine.context import Context, read_source, was_tried_before
from transfers.engine.contracts import Outcome, Work
from transfers.engine.failures import at_sink
from transfers.engine.pipeline import same_bytes

CHUNK_BYTES = 1 << 20
LOOKS_DIFFERENT = (NotFound, NotRegular, VersionChanged)
"""Answers of the sink that mean: not the content we look for."""


def sink_candidate(context: Context, work: Work, kind: Kind, size: int) -> FileInfo | None:
    """What stands at the sink, if it could be the same content."""
    with at_sink:
        try:
            info = context.sink.get_file_info(work.path)
        except NotFound:
            return None
    return info if info.kind is kind and info.size == size else None


def adopt_small(context: Context, work: Work, source: FileInfo, data: bytes, sha256: bytes) -> Outcome | None:
    """Adopt a file whose source content is `data`; None if the sink holds something else."""
    candidate = sink_candidate(context, work, Kind.FILE, source.size)
    if candidate is None:
        return None
    with at_sink:
        try:
            sink, sink_data = context.sink.read_whole(work.path, source.size)
        except LOOKS_DIFFERENT:
            return None
    is_same = sink.version == candidate.version and sink_data == data  # and not a file of a folder moved away just now
    return _adopt(context, work, source, sink, sha256) if is_same else None


def adopt_symlink(context: Context, work: Work, source: FileInfo, target: bytes, sha256: bytes) -> Outcome | None:
    """Adopt a link with the same target."""
    sink = sink_candidate(context, work, Kind.SYMLINK, source.size)
    if sink is None:
        return None
    with at_sink:
        try:
            sink_target = context.sink.read_link(work.path)
        except LOOKS_DIFFERENT:
            return None
    return _adopt(context, work, source, sink, sha256) if sink_target == target else None


def adopt_large(context: Context, work: Work, source: OpenFile) -> Outcome | None:
    """Read both sides in step, up to the first difference. Raises Interrupted."""
    if sink_candidate(context, work, Kind.FILE, source.info.size) is None:
        return None
    with at_sink:
        try:
            sink = context.sink.open_file(work.path)
        except LOOKS_DIFFERENT:
            return None
    with sink:
        sha256 = _common_digest(context, source, sink)
        if sha256 is None or not sink.is_unchanged() or not source.is_unchanged():
            return None
        return _adopt(context, work, source.info, sink.info, sha256)


def _common_digest(context: Context, source: OpenFile, sink: OpenFile) -> bytes | None:
    digest = hashlib.sha256()
    ours, theirs = bytearray(CHUNK_BYTES), memoryview(bytearray(CHUNK_BYTES))
    for offset in range(0, source.info.size, CHUNK_BYTES):
        context.check_stop()
        length = min(CHUNK_BYTES, source.info.size - offset)
        read_source(source, offset, memoryview(ours)[:length])
        with at_sink:
            count = sink.read_into(offset, theirs[:length])
        if not same_bytes(ours, length, theirs[:count]):
            return None
        digest.update(memoryview(ours)[:length])
    return digest.digest()


def _adopt(context: Context, work: Work, source: FileInfo, sink: FileInfo, sha256: bytes) -> Outcome | None:
    """None if it can't get the attributes of the source: replaced since it was compared, or known by other names."""
    context.control.stop()  # the lease, before the sink is touched
    with at_sink:
        if context.sink.capabilities.sets_attributes and _attributes_differ(context, source, sink):
            try:
                sink = context.sink.set_attributes(work.path, Attributes.of(source), sink)
            except (*LOOKS_DIFFERENT, PreconditionFailed):
                return None
        if was_tried_before(work):  # perhaps published a moment ago by a worker that died before it was durable
            context.sink.sync_file(work.path)
    return outcomes.adopted(work, source, sink, sha256)


def _attributes_differ(context: Context, source: FileInfo, sink: FileInfo) -> bool:
    resolution = context.sink.capabilities.mtime_resolution_ns
    ours, theirs = Attributes.of(source).mtime_ns, Attributes.of(sink).mtime_ns
    if resolution is not None and source.mtime_ns is not None and abs((ours or 0) - (theirs or 0)) >= resolution:
        return True
    pairs = ((source.mode, sink.mode), (source.uid, sink.uid), (source.gid, sink.gid))
    return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)
