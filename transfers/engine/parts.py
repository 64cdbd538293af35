"""The parts of one big file, from the source to the sink in their order, with a checkpoint now and then.

What the sink holds of them when an attempt begins is not sent again, as far as it can be proved.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, NoReturn

from storage_backends.base import OpenFile
from storage_backends.names import display_path
from transfers.engine.context import Context, Interrupted, read_source
from transfers.engine.contracts import Stop, Verify, Work
from transfers.engine.pipeline import Pipeline
from transfers.engine.proof import prove_held_parts
from transfers.engine.upload import Upload
from transfers.engine.writers import InlineWriter, ThreadedWriter, Writer

if TYPE_CHECKING:
    from _hashlib import HASH

log = logging.getLogger(__name__)


class CheckpointPace:
    """When the next checkpoint is due: after so many bytes or so much time, whichever comes first."""

    def __init__(self, offset: int, *, every_bytes: int, every_seconds: float, most_unsaved_bytes: int) -> None:
        self.saved = offset
        """Up to here a checkpoint is recorded, or the sink was proved to hold it."""
        self._every_bytes, self._every_seconds = every_bytes, every_seconds
        self._most_unsaved_bytes = most_unsaved_bytes
        self._offset, self._at = offset, time.monotonic()

    def is_due(self, offset: int) -> bool:
        """True once per interval; the interval begins anew then."""
        now = time.monotonic()
        if offset - self._offset < self._every_bytes and now - self._at < self._every_seconds:
            return False
        self._offset, self._at = offset, now
        return True

    def must_wait(self, offset: int) -> bool:
        """Whether the one under way is to be waited for before anything is written up to `offset`."""
        return offset - self.saved > self._most_unsaved_bytes


class Parts:
    """Those of one attempt: how many are done, and the digest of all bytes up to there."""

    def __init__(self, context: Context, work: Work, source: OpenFile, upload: Upload) -> None:
        self.digest: HASH = hashlib.sha256()
        self.found = 0
        """Whole parts the sink held when this attempt began, proved or not."""
        self.done = 0
        self.offset = 0
        self.bytes_copied = 0
        self.bytes_resumed = 0
        self._held: Collection[int] = ()
        """Later parts that the sink holds all the same: several were sent at once when the last attempt ended."""
        self._context, self._work, self._source, self._upload = context, work, source, upload

    def keep_what_is_proven(self) -> None:
        """Of what the open upload holds; the rest is thrown away. Raises Interrupted, Failure."""
        name, size = display_path(self._work.path), self._source.info.size
        self.found = len(self._upload.session.held_parts)
        if self._upload.checkpoints and not self.found:
            log.warning("%s: starts over because the sink holds nothing of its upload any more", name)
        self.done, self.digest, self._held = prove_held_parts(self._context, self._work, self._upload, self._source)
        self.offset = self.bytes_resumed = self._upload.keep(self.done, self._held)
        if self.offset:
            log.info("%s: resumes at byte %d of %d", name, self.offset, size)

    def copy(self, pace: CheckpointPace) -> None:
        """All that are not done. Raises Interrupted, LeaseLost, Failure; then `done` says how many the sink has."""
        writer = self._writer()
        try:
            with writer:
                self._copy_all(writer, pace)
        finally:
            self.done = writer.written(self.done)

    def _writer(self) -> Writer:
        in_flight, compares = self._context.sink.capabilities.parts_in_flight, self._compares_while_writing
        if in_flight:
            return ThreadedWriter(self._upload.session, in_flight=in_flight, compares=compares)
        return InlineWriter(self._upload.session, compares=compares)

    @property
    def _compares_while_writing(self) -> bool:
        return self._context.reads_before_commit and self._context.assignment.verify is not Verify.DISK

    def _copy_all(self, writer: Writer, pace: CheckpointPace) -> None:
        token, has_to_save = self._upload.session.token, self._context.reads_before_commit

        def save(offset: int, sha256: bytes) -> None:
            writer.wait(-(-offset // token.part_bytes))
            self._upload.checkpoint(offset, sha256)
            pace.saved = offset

        with Pipeline(self.digest, token.part_bytes, save, buffers=writer.buffers) as pipeline:
            while self.done < token.part_count:
                if has_to_save and pace.must_wait(self.offset + token.part_bytes):
                    pipeline.finish()
                stop = self._context.control.stop()
                if stop is not Stop.NONE:
                    self._interrupt(stop, pipeline, writer)
                self._copy_one(pipeline, writer)
                if not pipeline.is_saving and pace.is_due(self.offset):
                    pipeline.checkpoint(self.offset)
                self._context.journal.progress(self._work, self.offset, self.bytes_copied)
            pipeline.finish()
            writer.wait(token.part_count)

    def _copy_one(self, pipeline: Pipeline, writer: Writer) -> None:
        number = self.done
        length = self._upload.session.token.part_length(number)
        if number in self._held:
            buffer = self._read(pipeline, length)
            pipeline.feed(buffer, length)
            self.bytes_resumed += length
        else:
            self._context.control.throttle(length)
            buffer = self._read(pipeline, length)
            writer.write(pipeline, number, buffer, length)
            self.bytes_copied += length
        self.done += 1
        self.offset += length

    def _read(self, pipeline: Pipeline, length: int) -> bytearray:
        buffer = pipeline.take()
        read_source(self._source, self.offset, memoryview(buffer)[:length])
        return buffer

    def _interrupt(self, stop: Stop, pipeline: Pipeline, writer: Writer) -> NoReturn:
        pipeline.finish()
        writer.wait(self._upload.session.token.part_count)
        if stop is Stop.RELEASE and self.bytes_copied:
            self._upload.checkpoint(self.offset, self.digest.digest())
        raise Interrupted(stop)
