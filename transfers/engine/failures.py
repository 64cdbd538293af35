"""The one place that turns what went wrong into an answer: result, reason code, reason text.

Code that talks to a storage says which side it talks to, and the error remembers::

    with at_source:
        info, data = source.read_whole(path, limit)     # NotFound leaves as Failure(SOURCE, NotFound)

The code of a reason is `SOURCE_` or `SINK_` and the error's own code; the few exceptions are below.
"""

from __future__ import annotations

import enum
from types import TracebackType

from storage_backends import errors
from storage_backends.errors import StorageError
from storage_backends.names import display_path
from transfers.engine.contracts import Outcome, Result, Work


class Side(enum.StrEnum):
    """Where it happened."""

    SOURCE = "source"
    SINK = "sink"


class Failure(Exception):
    """A storage error and the side it happened at."""

    def __init__(self, side: Side, error: StorageError) -> None:
        super().__init__(side, error)
        self.side = side
        self.error = error

    def is_at_sink(self, *kinds: type[StorageError]) -> bool:
        """Whether it happened at the sink and is one of `kinds`."""
        return self.side is Side.SINK and isinstance(self.error, kinds)


class Blame:
    """A context that turns StorageError into Failure. Reusable; several threads may use one."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StorageError):
            raise Failure(self.side, error) from error


at_source = Blame(Side.SOURCE)
at_sink = Blame(Side.SINK)

SOURCE_GONE = "SOURCE_GONE"
SOURCE_NOT_REGULAR = "SOURCE_NOT_REGULAR"
SINK_NO_SYMLINKS = "SINK_NO_SYMLINKS"
RELEASED = "RELEASED"
JOB_KILLED = "JOB_KILLED"
LEASE_EXPIRED = "LEASE_EXPIRED"
INTERNAL_ERROR = "INTERNAL_ERROR"

NEVER_TO_BE_COPIED = (errors.NotFound, errors.NotRegular)
"""At the source: there is nothing to copy under this name (any more)."""

SPECIAL_CODES = {"SOURCE_NOT_FOUND": SOURCE_GONE}
#: Where the result does not follow from the error alone.
SPECIAL_RESULTS = {
    SOURCE_GONE: Result.SKIPPED,
    SOURCE_NOT_REGULAR: Result.SKIPPED,
    "SINK_NOT_FOUND": Result.RETRY,  # a directory on the way was taken away meanwhile; it is made again
}


def _error_codes() -> set[str]:
    kinds = vars(errors).values()
    return {kind.code for kind in kinds if isinstance(kind, type) and issubclass(kind, StorageError)}


_SIDED_CODES = {f"{side.upper()}_{code}" for side in Side for code in _error_codes()}
REASON_CODES = frozenset(
    {SPECIAL_CODES.get(code, code) for code in _SIDED_CODES}
    | {SINK_NO_SYMLINKS, RELEASED, JOB_KILLED, LEASE_EXPIRED, INTERNAL_ERROR}
)
"""Every reason code an Outcome can carry."""

ADVICE = {
    "BAD_PATH": "rename it",
    "NAME_TOO_LONG": "shorten the name",
    "NAME_COLLISION": "rename one of the two",
    "SYMLINK_REFUSED": "use a real directory in place of the link",
    "KIND_CONFLICT": "move what stands at the sink out of the way",
    "PERMISSION_DENIED": "give this process's user the permission",
    "READ_ONLY": "mount it writable",
    "NO_SPACE": "make room",
    "QUOTA_EXCEEDED": "raise the quota or make room",
    "IO_ERROR": "check the disk and the system log",
    "UNREACHABLE": "check network and mount",
    "BAD_CREDENTIALS": "renew the credentials of the storage",
    "CHECKSUM_MISMATCH": "check memory, disk and network",
    "CONFIGURATION": "check the storage's setting",
}


def code_of(failure: Failure) -> str:
    """The reason code."""
    code = f"{failure.side.upper()}_{failure.error.code}"
    return SPECIAL_CODES.get(code, code)


def result_of(failure: Failure) -> Result:
    """Whether another attempt makes sense."""
    by_error = Result.RETRY if failure.error.retryable else Result.FAILED
    return SPECIAL_RESULTS.get(code_of(failure), by_error)


def text_of(work: Work, failure: Failure) -> str:
    """One sentence: where, which file, what happened, what to do (unless the storage said it, after a semicolon)."""
    what, path = str(failure.error).rstrip("."), display_path(work.path)
    subject = "" if path in what else f"{path}: "
    advice = ADVICE.get(failure.error.code, "") if "; " not in what else ""
    return f"{failure.side.capitalize()}: {subject}{what}{advice and '; '}{advice}."


def failed(work: Work, failure: Failure) -> Outcome:
    """The outcome of a work that met `failure`."""
    return Outcome(
        work.task_id,
        work.epoch,
        result_of(failure),
        reason_code=code_of(failure),
        reason_text=text_of(work, failure),
        costs_attempt=failure.error.costs_attempt,
        retry_after_seconds=failure.error.retry_after_seconds,
    )


def broken(work: Work, error: BaseException) -> Outcome:
    """The outcome of a work that met a mistake of ours. The caller logs the traceback."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    text = f"{display_path(work.path)}: SyncF made a mistake ({what}); report it with the slave's log."
    return Outcome(work.task_id, work.epoch, Result.RETRY, reason_code=INTERNAL_ERROR, reason_text=text)
