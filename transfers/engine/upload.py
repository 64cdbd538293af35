"""The sink's side of one big file: its upload token, its session and the checkpoints they go with.

The token is in the journal before the first byte leaves. Forgetting it forgets the checkpoints too, so that no
checkpoint can ever be taken for one of another upload.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress

from storage_backends.base import Attributes, FileInfo, UploadSession, UploadToken
from storage_backends.errors import PartialBusy, StorageError
from storage_backends.names import display_path
from transfers.engine.context import Context, Interrupted, was_tried_before
from transfers.engine.contracts import Stop, Work
from transfers.engine.failures import Failure, at_sink

log = logging.getLogger(__name__)


class Upload:
    """One upload of one work. `open` before anything else, `close` at the end whatever happened."""

    session: UploadSession

    def __init__(self, context: Context, work: Work, source: FileInfo) -> None:
        self.checkpoints = dict(work.checkpoints)
        self._context = context
        self._work = work
        self._source = source
        self._partial = context.partial(work)
        self._saved_token = work.token
        self._is_open = False
        self._is_new = False
        """Whether this attempt began the upload."""

    def open(self) -> None:
        """Resume the upload of an earlier attempt, or begin one. Raises AlreadyCommitted."""
        try:
            self._resume(self._earlier_token() or self._begin())
        except Failure as failure:
            if not failure.is_at_sink(PartialBusy):
                raise
            # A frozen writer may hold it for ever: what it holds loses its name, and we go on in a new inode.
            self.start_over("another process still holds its partial")
            self._resume(self._begin())

    def start_over(self, why: str) -> None:
        """Remove what is left of the upload and forget it; the next `open` begins a new one. Raises LeaseLost."""
        log.warning("%s: starts over because %s", display_path(self._work.path), why)
        self.abandon()
        self.close()

    def checkpoint(self, offset: int, sha256: bytes) -> None:
        """Make [0, offset) durable and *then* record it, never the other way round. May run beside `write_part`."""
        if offset in self.checkpoints:
            return
        with at_sink:
            self.session.sync()
        self._context.journal.checkpoint(self._work, offset, sha256)
        self.checkpoints[offset] = sha256

    def keep(self, parts: int, later: Collection[int]) -> int:
        """Throw away all but the first `parts` parts, and but `later` ones; returns the bytes of the first."""
        if not later:
            with at_sink:
                self.session.keep(parts)
        offset = min(parts * self.session.token.part_bytes, self.session.token.size)
        self.checkpoints = {known: sha256 for known, sha256 in self.checkpoints.items() if known <= offset}
        return offset

    def publish(self, sha256: bytes) -> FileInfo:
        """Prepare, record the intent (fenced), look at the lease, commit. Raises Interrupted, LeaseLost."""
        with at_sink:
            prepared = self.session.prepare(sha256)
        self._context.journal.intent(self._work, sha256, prepared.to_json())
        if self._context.control.stop() is Stop.CANCEL:  # a release waits for this one rename
            raise Interrupted(Stop.CANCEL)
        with at_sink:
            return self.session.commit()

    def abandon(self) -> None:
        """Remove what can't be trusted or is not wanted any more, then forget it. Raises LeaseLost."""
        self._context.control.stop()  # the lease: past it the upload may be somebody else's already
        if self._is_open:
            try:
                self.session.abort()
            except StorageError as error:
                log.warning("%s: its partial could not be removed: %s", display_path(self._work.path), error)
        self._forget()

    def take_back(self) -> None:
        """Remove what this attempt made and wrote nothing into, if whoever has the task now may be through and would
        never look for it: a partial, or an upload whose token could not be saved any more. A token that was saved is
        theirs."""
        with suppress(StorageError):
            if self._is_new and self._is_open and self._context.sink.capabilities.finds_partials:
                self.session.abort()
            elif self._is_new and not self._is_open and self._saved_token:
                self._context.sink.discard_upload(UploadToken.from_json(self._saved_token), self._partial)

    def close(self) -> None:
        """Let go of the session. Idempotent."""
        if self._is_open:
            self._is_open = False
            self.session.close()

    def _earlier_token(self) -> UploadToken | None:
        """None if there is none, or if it does not belong to the source as it is now."""
        if not self._saved_token:
            return None
        try:
            token = UploadToken.from_json(self._saved_token)
        except (ValueError, KeyError, TypeError) as error:
            self.start_over(f"its upload token can't be read ({error})")
            return None
        if (token.source_version, token.size) == (self._source.version, self._source.size):
            return token
        self._remove(token)
        self.start_over("the source changed since the last attempt")
        return None

    def _begin(self) -> UploadToken:
        sink = self._context.sink
        with at_sink:
            if was_tried_before(self._work):
                sink.discard_partials(self._work.path, self._partial)
            token = sink.begin_upload(
                self._work.path,
                size=self._source.size,
                attributes=Attributes.of(self._source),
                source_version=self._source.version,
                partial=self._partial,
            )
        self._is_new = True
        self._save(token)
        return token

    def _resume(self, token: UploadToken) -> None:
        with at_sink:
            self.session = self._context.sink.resume_upload(token, self._partial)
        self._is_open = True
        if self.session.token != token:
            self._save(self.session.token)

    def _save(self, token: UploadToken) -> None:
        self._saved_token = token.to_json()
        self._context.journal.save_token(self._work, self._saved_token)

    def _forget(self) -> None:
        self._context.journal.save_token(self._work, "")
        self._saved_token = ""
        self.checkpoints = {}

    def _remove(self, token: UploadToken) -> None:
        """Remove the upload of an older version of the source."""
        with at_sink, suppress(PartialBusy):  # then `_begin` discards it by its name
            self._context.sink.discard_upload(token, self._partial)


def discard_earlier(context: Context, work: Work) -> None:
    """Remove what earlier attempts left of a work that will not be copied. Raises StorageError."""
    partial = context.partial(work)
    context.sink.discard_partials(work.path, partial)
    if work.token and not context.sink.capabilities.finds_partials:
        with suppress(ValueError, KeyError, TypeError):  # a token of another version leads nowhere
            context.sink.discard_upload(UploadToken.from_json(work.token), partial)
