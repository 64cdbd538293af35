"""Reading the sink back: what a resume may keep, and whether the sink really holds what was sent.

The state of a running SHA-256 can't be saved, so a checkpoint holds the digest of the whole prefix, and a resume hashes
the prefix again. Nothing is believed because a row says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from storage_backends.base import OpenFile
from storage_backends.names import display_path
from transfers.engine.context import Context, read_source
from transfers.engine.contracts import Work
from transfers.engine.failures import at_sink
from transfers.engine.hashing import Hasher
from transfers.engine.upload import Upload

if TYPE_CHECKING:
    from _hashlib import HASH

log = logging.getLogger(__name__)


class Proven(NamedTuple):
    """The leading parts that the sink was shown to hold, and the running digest behind them."""

    parts: int
    digest: HASH
    later: Collection[int] = ()
    """Parts after a gap that the storage holds, where its word counts."""


def prove_held_parts(context: Context, work: Work, upload: Upload, source: OpenFile) -> Proven:
    """Hash again what the sink holds, up to the last checkpoint that matches. Raises Interrupted.

    Where the sink can be read before the commit, only a checkpoint proves a part. Elsewhere the server's word counts
    (the whole file is read back after the commit); the prefix is hashed from the source, and a checkpoint that
    contradicts it ends the proof.
    """
    token, reads_sink = upload.session.token, context.reads_before_commit
    held = _parts_worth_proving(upload, reads_sink)
    proven, digest = Proven(0, hashlib.sha256()), hashlib.sha256()
    with Hasher(digest, token.part_bytes) as hasher:
        for number in range(held):
            context.check_stop()
            end = _feed_part(hasher, number, upload, None if reads_sink else source)
            if expected := upload.checkpoints.get(end):
                hasher.finish()
                if expected != digest.digest():
                    log.warning("%s: a checkpoint does not match what the sink holds", display_path(work.path))
                    return proven
                proven = Proven(number + 1, digest.copy())
        hasher.finish()
    if reads_sink:
        return proven
    return Proven(held, digest, frozenset(number for number in upload.session.held_parts if number > held))


def _feed_part(hasher: Hasher, number: int, upload: Upload, source: OpenFile | None) -> int:
    """Read a part, of the source where one is named, else of the sink; returns the offset behind it."""
    token = upload.session.token
    buffer, begin, count = hasher.take(), number * token.part_bytes, token.part_length(number)
    part = memoryview(buffer)[:count]
    if source:
        read_source(source, begin, part)
    else:
        with at_sink:
            count = upload.session.read_part(number, part)
    hasher.feed(buffer, count)
    return begin + count


def _parts_worth_proving(upload: Upload, reads_sink: bool) -> int:
    """Leading parts that the sink holds; where only a checkpoint proves, those below the last one."""
    token, held = upload.session.token, upload.session.held_parts
    leading = next((number for number in range(token.part_count) if number not in held), token.part_count)
    if not reads_sink:
        return leading
    return min(leading, -(-max(upload.checkpoints, default=0) // token.part_bytes))


def hash_partial(context: Context, upload: Upload) -> bytes:
    """SHA-256 of the whole partial, read from the device. Raises Interrupted."""
    session, token, digest = upload.session, upload.session.token, hashlib.sha256()
    with at_sink:
        session.drop_cache()
    with Hasher(digest, token.part_bytes) as hasher:
        for number in range(token.part_count):
            context.check_stop()
            buffer = hasher.take()
            with at_sink:
                count = session.read_part(number, memoryview(buffer)[: token.part_length(number)])
            hasher.feed(buffer, count)
        hasher.finish()
    return digest.digest()


def hash_published(context: Context, work: Work) -> bytes:
    """SHA-256 of what stands at the sink under its real name. Raises Interrupted."""
    digest = hashlib.sha256()
    with at_sink, context.sink.open_file(work.path) as sink:
        for piece in sink.pieces():
            context.check_stop()
            digest.update(piece)
    return digest.digest()
