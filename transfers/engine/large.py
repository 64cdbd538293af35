"""One big file through an upload session: the copy protocol, step by step.

::

    open source, take its identity
    resume or begin the upload          the token is saved before the first byte leaves
      (already committed? read the sink back, compare with the intent: done, nothing is sent again)
    prove what the sink holds           up to the last checkpoint whose digest matches; the rest is thrown away
    copy the parts                      every 32 MiB or 2 s: sync, *then* the checkpoint; never 64 MiB without one
    is the source unchanged?            else the partial is thrown away and another attempt begins anew
    verify from disk                    verify=disk only
    prepare, intent, lease, commit      the intent is fenced: without it nothing gets its real name
    read the sink back                  storages that can't be read before the commit

First run and resume are the same path. A partial that can't be trusted any more (source changed, I/O error, wrong
bytes read back) is removed and its token forgotten, and so is one that a full sink let grow no further; after other
errors both stay for the next attempt.
"""

from __future__ import annotations

import logging

from storage_backends.base import AlreadyCommitted, FileInfo, OpenFile
from storage_backends.errors import (
    ChecksumMismatch,
    InputOutputError,
    NoSpace,
    PreconditionFailed,
    UploadGone,
    VersionChanged,
)
from storage_backends.names import display_path
from transfers.engine import failures, outcomes
from transfers.engine.adoption import adopt_large
from transfers.engine.context import Context, Interrupted, was_tried_before
from transfers.engine.contracts import LeaseLost, Outcome, Result, Stop, Verify, Work
from transfers.engine.failures import Failure, Side, at_sink, at_source
from transfers.engine.parts import CheckpointPace, Parts
from transfers.engine.proof import hash_partial, hash_published
from transfers.engine.upload import Upload, discard_earlier

log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 32 << 20
CHECKPOINT_SECONDS = 2.0
UNSAVED_BYTES = 64 << 20
"""The most that is written and not covered by a checkpoint, and so the most that a crash makes us send again. A disk
that does not keep up is waited for."""


def copy_large(context: Context, work: Work) -> Outcome:
    """Copy one file of any size."""
    try:
        with _open_source(context, work) as source:
            context.must_be_quiet(source.info)
            may_adopt = work.compare_first and not work.token  # with a token, an earlier attempt has compared already
            adopted = adopt_large(context, work, source) if may_adopt else None
            return adopted or LargeCopy(context, work, source).run()
    except Interrupted as interrupted:
        return outcomes.stopped(work, interrupted.stop)
    except LeaseLost:
        return outcomes.lease_lost(work)
    except Failure as failure:
        return failures.failed(work, failure)


def _open_source(context: Context, work: Work) -> OpenFile:
    with at_source:
        try:
            return context.source.open_file(work.path)
        except failures.NEVER_TO_BE_COPIED:
            if was_tried_before(work):
                with at_sink:
                    discard_earlier(context, work)
            raise


class LargeCopy:
    """One attempt at one file: the state between the steps."""

    def __init__(self, context: Context, work: Work, source: OpenFile) -> None:
        self.context = context
        self.work = work
        self.source = source
        self.upload = Upload(context, work, source.info)
        self.parts = Parts(context, work, source, self.upload)

    def run(self) -> Outcome:
        """The steps, and what becomes of the partial when one fails. Raises LeaseLost: then nothing is touched,
        but for a partial of our own in which nobody could find anything."""
        try:
            return self._copy_beginning_again_once()
        except Interrupted as interrupted:
            if interrupted.stop is Stop.CANCEL:
                self.upload.abandon()
            return self._with_counts(outcomes.stopped(self.work, interrupted.stop))
        except Failure as failure:
            if self._is_of_no_use_after(failure):
                self.upload.abandon()
            return self._with_counts(failures.failed(self.work, failure))
        except LeaseLost:
            if not self.parts.offset:
                self.upload.take_back()
            raise
        finally:
            self.upload.close()

    def _copy_beginning_again_once(self) -> Outcome:
        try:
            return self._copy()
        except Failure as failure:
            if not failure.is_at_sink(UploadGone):
                raise
        self.upload.start_over("the sink knows nothing of its upload any more")
        return self._copy()

    def _copy(self) -> Outcome:
        try:
            self.upload.open()
        except AlreadyCommitted as committed:
            if self._is_as_intended():
                return self._completed(committed.info, self.work.intent_sha256)
            self.upload.start_over("what stands at the sink is not what was about to be published")
            self.upload.open()
        self.parts.keep_what_is_proven()
        self.parts.copy(_pace(self.parts.offset))
        self._check_source()
        self._verify_from_disk()
        sink = self.upload.publish(self.parts.digest.digest())
        self._read_back_published()
        return self._completed(sink, self.parts.digest.digest())

    def _is_as_intended(self) -> bool:
        """Whether the file an earlier attempt published, read back, is exactly what its intent says."""
        if not self.work.intent_sha256 or hash_published(self.context, self.work) != self.work.intent_sha256:
            return False
        with at_sink:
            self.context.sink.sync_file(self.work.path)  # it may have died between the rename and its durability
        log.info("%s: was published by an earlier attempt", display_path(self.work.path))
        self.parts.bytes_resumed = self.source.info.size
        return True

    def _check_source(self) -> None:
        with at_source:
            if not self.source.is_unchanged():
                raise VersionChanged("it changed while it was copied")

    def _verify_from_disk(self) -> None:
        if self.context.reads_before_commit and self.context.assignment.verify is Verify.DISK:
            self.upload.checkpoint(self.parts.offset, self.parts.digest.digest())
            self._must_equal(hash_partial(self.context, self.upload))

    def _read_back_published(self) -> None:
        is_enough = self.context.trusts_server and self.upload.session.is_verified_by_server
        if not self.context.reads_before_commit and not is_enough:
            self._must_equal(hash_published(self.context, self.work))

    def _must_equal(self, sha256: bytes) -> None:
        if sha256 != self.parts.digest.digest():
            raise Failure(Side.SINK, ChecksumMismatch("what was read back has another SHA-256 than what was written"))

    def _is_of_no_use_after(self, failure: Failure) -> bool:
        """Whether the partial is to be removed. On a full sink partials that don't grow would for ever hold the space
        that one of them needs to become whole."""
        if failure.is_at_sink(NoSpace) and self.parts.done <= self.parts.found:
            return True
        return _spoils_the_partial(failure) or failures.result_of(failure) is not Result.RETRY

    def _completed(self, sink: FileInfo, sha256: bytes) -> Outcome:
        return self._with_counts(outcomes.completed(self.work, self.source.info, sink, sha256))

    def _with_counts(self, outcome: Outcome) -> Outcome:
        return outcome._replace(bytes_copied=self.parts.bytes_copied, bytes_resumed=self.parts.bytes_resumed)


def _pace(offset: int) -> CheckpointPace:
    return CheckpointPace(
        offset, every_bytes=CHECKPOINT_BYTES, every_seconds=CHECKPOINT_SECONDS, most_unsaved_bytes=UNSAVED_BYTES
    )


def _spoils_the_partial(failure: Failure) -> bool:
    """Whether the upload is of no use after that: a second fsync would lie, a changed source tears, and an upload that
    was begun over another version of the sink file can never be committed."""
    if failure.side is Side.SOURCE:
        return isinstance(failure.error, VersionChanged)
    return isinstance(failure.error, InputOutputError | ChecksumMismatch | PreconditionFailed)
