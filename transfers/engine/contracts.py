"""What the engine is given, what it answers, and the two things it may ask while it works.

The engine runs in a worker process that knows no database. Its parent (the slave) owns all durable state, so the
engine asks it through a `Journal`, and looks at a `Control` between any two steps::

    slave process (Django, database, broker)          worker process (engine only)
      Assignment ──────────────────────────────────▶   copies
      save_token / checkpoint / intent / fence  ◀────▶ Journal
      lease deadline, stop, bytes per second ───────▶  Control
      Outcome, one per Work ◀─────────────────────────
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import NamedTuple, Protocol

from storage_backends.base import Kind


class Verify(enum.StrEnum):
    """How the sink is read back."""

    READBACK = "readback"
    """Compare what the sink returns with the very bytes that were hashed (default)."""
    DISK = "disk"
    """Flush, drop the cache, and hash the sink again from the device."""
    STORED = "stored"
    """Trust checksums the server verified; no download. Object stores only."""


class Result(enum.StrEnum):
    """How the work on one task ended."""

    COMPLETED = "completed"
    RETRY = "retry"
    """Failed now, may succeed later."""
    FAILED = "failed"
    """Failed, and trying again would end the same way."""
    SKIPPED = "skipped"
    """Not copied for a good reason (gone at the source, a special file)."""
    STOPPED = "stopped"
    """Interrupted by pause, shutdown or a lost lease; the checkpoint stands."""
    CANCELLED = "cancelled"
    """Interrupted by a killed job; the partial was removed."""


class Stop(enum.IntEnum):
    """Why the parent wants an assignment to end early."""

    NONE = 0
    RELEASE = 1
    """Pause, drain or SIGTERM: save a checkpoint at the exact byte and answer STOPPED."""
    CANCEL = 2
    """The job was killed: remove the partial and answer CANCELLED."""


class Place(NamedTuple):
    """A storage and the job's directory in it."""

    url: str
    path: bytes
    create: bool = False
    device: str = ""
    """`RootIdentity.device` at the last scan; on another one nothing is read or written. Empty: not checked."""

    def __repr__(self) -> str:
        return f"Place({self.url.partition(':')[0]}, {self.path!r})"  # a URL may hold a password


class Work(NamedTuple):
    """One claimed task."""

    task_id: int
    epoch: int
    attempts: int
    kind: Kind
    path: bytes
    size: int
    """As scanned; the engine decides by what it opens."""
    compare_first: bool = False
    """Hash both sides before copying: equal content is adopted, nothing is sent."""
    sink_version: str = ""
    """Of what stands at the sink, as we left it; empty before the first copy."""
    token: str = ""
    """UploadToken as JSON, of an earlier attempt."""
    checkpoints: tuple[tuple[int, bytes], ...] = ()
    """(offset, SHA-256 of [0, offset)), ascending."""
    intent_sha256: bytes = b""
    """Set when an earlier attempt was about to publish exactly this content."""


class Assignment(NamedTuple):
    """Works of one job for one worker: one big file, many small ones, or directories (deepest first)."""

    number: int
    """Rises with every assignment of this worker, so that a stop can't hit the next one."""
    job_id: str
    installation: str
    source: Place
    sink: Place
    verify: Verify
    works: tuple[Work, ...]
    quiet_seconds: int = 0
    """A file that changed less than so long ago is not copied yet; 0: copied whenever it changed."""


class Identity(NamedTuple):
    """What a file looked like, to notice later that it changed."""

    size: int
    mtime_ns: int | None
    version: str


class Outcome(NamedTuple):
    """The answer for one Work."""

    task_id: int
    epoch: int
    result: Result
    sha256: bytes = b""
    """Of the content that was read back from the sink; of the target for a symlink; empty for a directory."""
    source: Identity | None = None
    sink: Identity | None = None
    size: int = 0
    bytes_copied: int = 0
    """Sent to the sink in this attempt."""
    bytes_resumed: int = 0
    """Proved to be at the sink already and not sent again."""
    adopted: bool = False
    """Equal content was found at the sink; nothing was sent."""
    dropped_bits: bool = False
    """setuid/setgid were not carried over because this process is not root."""
    reason_code: str = ""
    """Documented in jobs/reasons.py; empty only when COMPLETED."""
    reason_text: str = ""
    """One sentence: what happened, to which file (display form), what to do."""
    costs_attempt: bool = True
    retry_after_seconds: float | None = None


class Journal(Protocol):
    """Durable memory, kept by the parent. Every call is synchronous: when it returns, the database has it."""

    def save_token(self, work: Work, token: str) -> None:
        """Before the first byte leaves, and whenever the token changed. An empty token also forgets all checkpoints
        (the upload starts over). Raises LeaseLost if the task is no longer ours."""

    def checkpoint(self, work: Work, offset: int, sha256: bytes) -> None:
        """Bytes [0, offset) are durable at the sink and hash to `sha256`. Raises LeaseLost."""

    def intent(self, work: Work, sha256: bytes, token: str) -> None:
        """About to give the partial its real name. Raises LeaseLost: then nothing may be published."""

    def fence(self, works: Collection[Work]) -> set[int]:
        """Ids of the works that are still ours, asked right before a batch is published."""

    def progress(self, work: Work, bytes_done: int, bytes_sent: int) -> None:
        """For people to look at; may be dropped. `bytes_sent` in this attempt; the others were there before."""


class Control(Protocol):
    """What the parent may say at any moment; asked between chunks and between files."""

    def stop(self) -> Stop:
        """Whether to end early, and why. Raises LeaseLost past the lease deadline (CLOCK_BOOTTIME)."""

    def has_rate(self) -> bool:
        """Whether the job's rate is limited now."""

    def throttle(self, count: int) -> None:
        """Blocks as the job's rate demands before `count` bytes are sent, in slices that notice a stop."""


class LeaseLost(Exception):
    """The task belongs to somebody else now, or the lease could not be renewed in time: write nothing more."""
